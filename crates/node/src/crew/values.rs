//! Results of steps that others await, while they are fresh: those that are not durable yet are nowhere else, and the
//! others need not be read again.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipvm_scheduler::RunId;

/// Most bytes of results that are kept, what keeping them takes included. A result that finds no room is used once it
/// is durable, from the store.
const MAX_BYTES: usize = 64 << 20;
/// What keeping one result takes beside its encoding, in bytes.
const OVERHEAD: usize = 96;

/// Encoded results by run and step.
#[derive(Default)]
pub(super) struct Values {
    kept: BTreeMap<(RunId, u32), Value>,
    bytes: usize,
}

struct Value {
    encoded: Arc<[u8]>,
    /// How many steps are still to use it.
    uses: usize,
}

impl Values {
    /// Keeps a result for so many uses; false if there is no room.
    pub(super) fn keep(&mut self, run: RunId, step: u32, uses: usize, value: Vec<u8>) -> bool {
        let bytes = self.bytes + value.len() + OVERHEAD;
        if bytes > MAX_BYTES {
            return false;
        }
        self.bytes = bytes;
        let encoded = value.into();
        self.kept.insert((run, step), Value { encoded, uses });
        true
    }

    /// A result, for one of its uses.
    pub(super) fn take(&mut self, run: RunId, step: u32) -> Option<Arc<[u8]>> {
        let value = self.kept.get_mut(&(run, step))?;
        value.uses -= 1;
        if value.uses > 0 {
            return Some(Arc::clone(&value.encoded));
        }
        let value = self.kept.remove(&(run, step))?;
        self.bytes -= value.encoded.len() + OVERHEAD;
        Some(value.encoded)
    }

    /// Forgets the results of a run that is over.
    pub(super) fn forget(&mut self, run: RunId) {
        let mut of_run = self.kept.split_off(&(run, 0));
        let mut rest = match run.0.checked_add(1) {
            Some(next) => of_run.split_off(&(RunId(next), 0)),
            None => BTreeMap::new(),
        };
        self.kept.append(&mut rest);
        let freed = of_run.values().map(|value| value.encoded.len() + OVERHEAD);
        self.bytes -= freed.sum::<usize>();
    }
}

#[cfg(test)]
mod tests {
    //! Without these, results would fill the memory, or one that is nowhere else would be gone before its last use.
    use super::*;

    #[test]
    fn a_result_stays_for_all_its_uses_and_no_longer() {
        let mut values = Values::default();
        let (a, b, c) = (RunId(1), RunId(2), RunId(3));
        for run in [a, b, c] {
            assert!(values.keep(run, 7, 2, vec![run.0 as u8; 10]));
        }
        assert_eq!(values.take(b, 7).as_deref(), Some(&[2; 10][..]));
        assert_eq!(values.take(b, 7).as_deref(), Some(&[2; 10][..]));
        assert_eq!(values.take(b, 7), None);
        values.forget(a);
        assert_eq!(values.take(a, 7), None);
        assert!(values.take(c, 7).is_some());
        values.forget(c);
        assert_eq!((values.bytes, values.kept.len()), (0, 0));
    }

    #[test]
    fn what_finds_no_room_is_not_kept() {
        let mut values = Values::default();
        let run = RunId(1);
        assert!(values.keep(run, 0, 1, vec![0; MAX_BYTES - OVERHEAD]));
        assert!(!values.keep(run, 1, 1, vec![]));
        assert!(values.take(run, 0).is_some());
        assert!(values.keep(run, 1, 1, vec![]));
    }
}
