//! The node itself: what it holds and how it is opened.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use ipvm_store::{ReceiptKeys, Store};
use ipvm_ucan::{Did, Receipt};
use ipvm_wasm::{Compiler, Engine, Settings};

use crate::NodeError;
use crate::home::{Home, Keys};

/// What a caller wants to do with a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Run and add; one process at a time. Makes the home on first use.
    Write,
    /// Look only; also while another process writes.
    Read,
}

/// A home, open: its keys, its store and, once needed, its engine.
pub struct Node {
    home: Home,
    keys: Keys,
    store: Store,
    engine: OnceLock<Engine>,
    compiler: Compiler,
    access: Access,
}

impl Node {
    /// Opens the home in the folder `root`.
    ///
    /// # Errors
    /// Another process writes there, the home is damaged, or (for [`Access::Read`]) there is none.
    pub fn open(root: &Path, access: Access) -> Result<Self, NodeError> {
        let home = Home::new(root);
        let write = access == Access::Write;
        if write {
            home.create()?;
        } else if !home.exists() {
            return Err(NodeError::NoHome(root.to_path_buf()));
        }
        // The store's lock comes first: two first starts at once must not both make keys.
        let store = if write {
            Store::open(root, keys_of)?
        } else {
            Store::open_read_only(root, keys_of)?
        };
        let keys = home.keys(write)?;
        Ok(Self {
            home,
            keys,
            store,
            engine: OnceLock::new(),
            compiler: Compiler::InProcess,
            access,
        })
    }

    /// The same node, with modules compiled elsewhere than in this process.
    #[must_use]
    pub fn compiling_with(self, compiler: Compiler) -> Self {
        Self { compiler, ..self }
    }

    /// The person's DID.
    pub fn owner(&self) -> &Did {
        self.keys.owner.did()
    }

    /// This home's DID.
    pub fn agent(&self) -> &Did {
        self.keys.agent.did()
    }

    /// The folder of this home.
    pub fn home(&self) -> &Path {
        self.home.root()
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn access(&self) -> Access {
        self.access
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(crate) fn home_paths(&self) -> &Home {
        &self.home
    }

    /// The Wasm engine, started when it is first needed: answers from memory never need it.
    pub(crate) fn engine(&self) -> Result<&Engine, NodeError> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = Engine::new(&Settings {
            cache: Some(self.home.cache().join("modules")),
            compiler: self.compiler.clone(),
            ..Settings::default()
        })?;
        Ok(self.engine.get_or_init(|| engine))
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Node")
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

/// How the store learns what a receipt is about, without knowing what a receipt is.
fn keys_of(block: &[u8]) -> Option<ReceiptKeys> {
    let receipt = Receipt::decode(block).ok()?;
    let payload = receipt.payload();
    Some(ReceiptKeys {
        task: payload.ran,
        computation: payload.meta.computation,
    })
}
