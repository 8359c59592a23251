//! The node itself: what it holds and how it is opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ipvm_store::{Batch, ReceiptKeys, Store, StoreError};
use ipvm_ucan::{Algorithm, Did, Receipt};
use ipvm_wasm::{Compiler, Engine, Settings};

use crate::NodeError;
use crate::authority::{Authority, settle_keys};
use crate::crew::Crew;
use crate::home::Home;
use crate::keys::{AskPassphrase, Keys};
use crate::vault::Vault;

/// What a caller wants to do with a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Run and add; one process at a time. Makes the home on first use.
    Write,
    /// Look only; also while another process writes.
    Read,
}

/// What tells the time: seconds since the epoch. It may jump, as clocks of machines do.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A home, open: its keys, its store and, once needed, its engine and the threads that carry out its runs.
pub struct Node {
    /// First, so that its threads have ended before the store is closed.
    crew: Crew,
    core: Arc<Core>,
}

/// What the threads of a node share.
pub(crate) struct Core {
    home: Home,
    keys: Keys,
    store: Store,
    engine: OnceLock<Engine>,
    /// One that leaves no compiled modules behind, for modules that are secret.
    secret_engine: OnceLock<Engine>,
    /// Those who perform effects.
    effects: OnceLock<ipvm_effects::Effects>,
    /// Held by whoever changes values under keys.
    values: Mutex<()>,
    compiler: Compiler,
    access: Access,
    clock: Clock,
    authority: Authority,
    vault: OnceLock<Vault>,
}

impl Core {
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}

impl Node {
    /// Opens the home in the folder `root`.
    ///
    /// # Errors
    /// Another process writes there, the home is damaged, or (for [`Access::Read`]) there is none.
    pub fn open(root: &Path, access: Access) -> Result<Self, NodeError> {
        Self::open_asking(root, access, Arc::new(|| Ok(None)))
    }

    /// The same for a home whose keys may be protected: `ask` gives their passphrase, when something is signed first.
    ///
    /// # Errors
    /// As [`Node::open`].
    pub fn open_asking(root: &Path, access: Access, ask: AskPassphrase) -> Result<Self, NodeError> {
        Self::open_with(root, access, ask, Algorithm::Ed25519)
    }

    /// Opens the home in the folder `root` for writing; if it is a new one, its keys are of this type.
    ///
    /// # Errors
    /// As [`Node::open`].
    pub fn open_new(root: &Path, keys: Algorithm) -> Result<Self, NodeError> {
        Self::open_with(root, Access::Write, Arc::new(|| Ok(None)), keys)
    }

    fn open_with(
        root: &Path,
        access: Access,
        ask: AskPassphrase,
        new_keys: Algorithm,
    ) -> Result<Self, NodeError> {
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
        failpoint!("home.store");
        if write {
            settle_keys(&home, &store)?;
        }
        let keys = home.keys(write.then_some(new_keys), ask)?;
        failpoint!("home.keys");
        Ok(Self::of(Arc::new(Core {
            home,
            keys,
            store,
            engine: OnceLock::new(),
            secret_engine: OnceLock::new(),
            effects: OnceLock::new(),
            values: Mutex::new(()),
            compiler: Compiler::InProcess,
            access,
            clock: Arc::new(system_time),
            authority: Authority::default(),
            vault: OnceLock::new(),
        })))
    }

    /// A handle of the same home for one of its own threads.
    pub(crate) fn of(core: Arc<Core>) -> Self {
        Self {
            crew: Crew::new(&core),
            core,
        }
    }

    /// The same for a thread that gives its crew more to do.
    pub(crate) fn of_crew(core: Arc<Core>, crew: Crew) -> Self {
        Self { crew, core }
    }

    /// The same node, with modules compiled elsewhere than in this process.
    #[must_use]
    pub fn compiling_with(self, compiler: Compiler) -> Self {
        self.with(|core| core.compiler = compiler)
    }

    /// The same node, with another clock than the machine's.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        self.with(|core| core.clock = clock)
    }

    fn with(self, change: impl FnOnce(&mut Core)) -> Self {
        let Self { crew, mut core } = self;
        drop(crew);
        // Nobody else has it: the threads have ended.
        if let Some(core) = Arc::get_mut(&mut core) {
            change(core);
        }
        Self::of(core)
    }

    /// Seconds since the epoch, as the clock has them now: written down, and never compared to decide what is done.
    pub(crate) fn now(&self) -> i64 {
        (self.core.clock)()
    }

    /// The person's DID.
    pub fn owner(&self) -> &Did {
        self.core.keys.owner_did()
    }

    /// This home's DID.
    pub fn agent(&self) -> &Did {
        self.core.keys.agent_did()
    }

    /// The folder of this home.
    pub fn home(&self) -> &Path {
        self.core.home.root()
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.core.store
    }

    /// Those who carry out its runs.
    pub(crate) fn crew(&self) -> &Crew {
        &self.crew
    }

    /// Does something with the store that nobody else may use meanwhile. The threads that carry out runs end before, and
    /// start again with the next run.
    pub(crate) fn with_store<T>(
        &mut self,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError>,
    ) -> Result<T, NodeError> {
        if self.core.access == Access::Write {
            // Whoever still waits for the disk is told first.
            self.core.store.commit(Batch::new())?;
        }
        self.crew = Crew::of_nobody();
        let done = match Arc::get_mut(&mut self.core) {
            Some(core) => work(&mut core.store).map_err(NodeError::from),
            None => Err(NodeError::Internal(
                "a thread of this home has not ended".into(),
            )),
        };
        self.crew = Crew::new(&self.core);
        done
    }

    pub(crate) fn access(&self) -> Access {
        self.core.access
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.core.keys
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.core.authority
    }

    pub(crate) fn home_paths(&self) -> &Home {
        &self.core.home
    }

    /// The vault, made when it is first needed.
    pub(crate) fn vault_in(
        &self,
        make: impl FnOnce() -> Result<Vault, NodeError>,
    ) -> Result<&Vault, NodeError> {
        if let Some(vault) = self.core.vault.get() {
            return Ok(vault);
        }
        let vault = make()?;
        Ok(self.core.vault.get_or_init(|| vault))
    }

    /// The Wasm engine, started when it is first needed: answers from memory never need it.
    pub(crate) fn engine(&self) -> Result<&Engine, NodeError> {
        let cache = self.core.home.cache().join("modules");
        self.start(&self.core.engine, Some(cache))
    }

    /// Keeps others from changing values under keys meanwhile.
    pub(crate) fn alone_with_values(&self) -> MutexGuard<'_, ()> {
        let values = self.core.values.lock();
        values.unwrap_or_else(PoisonError::into_inner)
    }

    /// Those who perform effects, made at first use.
    pub(crate) fn effects(&self) -> &ipvm_effects::Effects {
        self.core.effects.get_or_init(ipvm_effects::Effects::new)
    }

    /// The engine for modules that are secret.
    pub(crate) fn secret_engine(&self) -> Result<&Engine, NodeError> {
        self.start(&self.core.secret_engine, None)
    }

    fn start<'n>(
        &'n self,
        engine: &'n OnceLock<Engine>,
        cache: Option<PathBuf>,
    ) -> Result<&'n Engine, NodeError> {
        if let Some(engine) = engine.get() {
            return Ok(engine);
        }
        let started = Engine::new(&Settings {
            cache,
            compiler: self.core.compiler.clone(),
            ..Settings::default()
        })?;
        Ok(engine.get_or_init(|| started))
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Node")
            .field("home", &self.core.home)
            .finish_non_exhaustive()
    }
}

fn system_time() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
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
