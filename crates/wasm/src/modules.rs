//! The modules that are loaded: the ones used last, up to a number and a size.

use crate::module::Module;
use ipvm_ipld::Cid;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most modules kept loaded.
const MAX_MODULES: usize = 256;
/// Most machine code kept loaded, in bytes. One module over it stays loaded alone.
const MAX_CODE_BYTES: usize = 512 << 20;

/// The place of one module: empty while it is being loaded for the first time.
#[derive(Default)]
pub(crate) struct Slot(Mutex<Option<Module>>);

impl Slot {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<Module>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(crate) struct Modules(Mutex<Table>);

#[derive(Default)]
struct Table {
    entries: HashMap<Cid, Entry>,
    /// Counts uses.
    clock: u64,
    code_bytes: usize,
}

struct Entry {
    slot: Arc<Slot>,
    used: u64,
    code_bytes: usize,
}

impl Modules {
    /// The place of a module, which is made if it has none.
    pub(crate) fn slot(&self, cid: &Cid) -> Arc<Slot> {
        let mut table = self.table();
        table.clock += 1;
        let used = table.clock;
        let entry = table.entries.entry(*cid);
        let entry = entry.or_insert_with(|| Entry {
            slot: Arc::default(),
            used,
            code_bytes: 0,
        });
        entry.used = used;
        Arc::clone(&entry.slot)
    }

    /// Takes note of a module's size, and lets go of those used longest ago where there is too much.
    pub(crate) fn loaded(&self, cid: &Cid, code_bytes: usize) {
        let mut table = self.table();
        table.resize(cid, code_bytes);
        while table.entries.len() > MAX_MODULES || table.code_bytes > MAX_CODE_BYTES {
            let others = table.entries.iter().filter(|(other, _)| *other != cid);
            let Some(oldest) = others
                .min_by_key(|(_, entry)| entry.used)
                .map(|(oldest, _)| *oldest)
            else {
                break;
            };
            table.remove(&oldest);
        }
    }

    /// Takes away the place of a module that could not be loaded.
    pub(crate) fn forget(&self, cid: &Cid) {
        self.table().remove(cid);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn resize(&mut self, cid: &Cid, code_bytes: usize) {
        if let Some(entry) = self.entries.get_mut(cid) {
            self.code_bytes = self.code_bytes - entry.code_bytes + code_bytes;
            entry.code_bytes = code_bytes;
        }
    }

    fn remove(&mut self, cid: &Cid) {
        self.resize(cid, 0);
        self.entries.remove(cid);
    }
}
