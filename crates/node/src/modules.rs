//! Modules: loaded for running, or only looked at.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ipvm_ipld::{Cid, Limits, cbor, cid_of, codec, unixfs};
use ipvm_wasm::{Interface, Module};

use crate::{Node, NodeError};

/// Largest cached description of a module's functions, in bytes.
const MAX_INTERFACE: usize = 4 << 20;

impl Node {
    /// The functions of a module, from the cache if it was seen before: then no engine starts.
    pub(crate) fn interface_by_cid(&self, module: &Cid) -> Result<Arc<Interface>, NodeError> {
        let path = self.interface_path(module);
        if let Some(interface) = read_interface(&path, module) {
            return Ok(Arc::new(interface));
        }
        if self.is_secret_content(module)? {
            return Ok(Arc::new(self.module(module, true)?.interface().clone()));
        }
        let interface = Arc::new(self.module(module, false)?.interface().clone());
        // A cache that cannot be written costs time, nothing else.
        let _ = self.write_interface(&path, module, &interface);
        Ok(interface)
    }

    /// The module, compiled, ready to be called. One that is secret is there for secret work alone, and leaves nothing in
    /// the cache.
    pub(crate) fn module(&self, cid: &Cid, for_secret: bool) -> Result<Module, NodeError> {
        let secret = for_secret && self.is_secret_content(cid)?;
        let mut fetch = || {
            let mut bytes = Vec::new();
            let mut get = |cid: &Cid| self.block_for(cid, secret);
            let mut sink = |piece: &[u8]| {
                bytes.extend_from_slice(piece);
                Ok::<(), NodeError>(())
            };
            unixfs::export(cid, &mut get, &mut sink)?;
            Ok::<Vec<u8>, NodeError>(bytes)
        };
        let engine = match secret {
            true => self.secret_engine()?,
            false => self.engine()?,
        };
        let loaded = engine.load(cid, &mut fetch);
        loaded.map_err(|error| NodeError::Module {
            module: *cid,
            message: error.to_string(),
        })
    }

    fn interface_path(&self, module: &Cid) -> PathBuf {
        self.home_paths()
            .cache()
            .join("interfaces")
            .join(module.to_string())
    }

    fn write_interface(
        &self,
        path: &PathBuf,
        module: &Cid,
        interface: &Interface,
    ) -> Result<(), NodeError> {
        let description = cbor::encode(&interface.to_ipld())?;
        let bytes = [digest(module, &description), description].concat();
        let failed = |source| NodeError::io("write", path, source);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        fs::write(&temporary, bytes).map_err(failed)?;
        failpoint!("interface.written");
        fs::rename(&temporary, path).map_err(failed)
    }
}

/// A damaged or outdated description is as good as none. It says how arguments become data, so it has to be the very one
/// that was written for this module.
fn read_interface(path: &PathBuf, module: &Cid) -> Option<Interface> {
    let bytes = fs::read(path).ok()?;
    let (stated, description) = bytes.split_at_checked(digest(module, &[]).len())?;
    if stated != digest(module, description) {
        return None;
    }
    let limits = Limits {
        bytes: MAX_INTERFACE,
        ..Limits::default()
    };
    Interface::from_ipld(cbor::decode(description, limits).ok()?).ok()
}

/// Digest of a module's name and its description.
fn digest(module: &Cid, description: &[u8]) -> Vec<u8> {
    let named = [module.to_bytes().as_slice(), description].concat();
    cid_of(codec::RAW, &named).to_bytes()
}
