//! What goes into the store and what comes out of it.

use crate::StoreError;
use ipvm_ipld::{Block, Cid};
use std::fmt;

/// Position of a receipt in the store: grows with every receipt, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptId(pub i64);

/// Name of one run of a workflow on this home: grows with every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub i64);

impl fmt::Display for ReceiptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a receipt is looked up by, beside its own CID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptKeys {
    /// CID of the task that was run.
    pub task: Cid,
    /// CID of its computation, where the task has one.
    pub computation: Option<Cid>,
}

/// Reads the keys out of a receipt's bytes; `None` where they are no receipt. Given at opening, so that the store
/// can check what it found without knowing what a receipt is.
pub type KeysOf = fn(&[u8]) -> Option<ReceiptKeys>;

/// A receipt to store. Its signature has been verified by the caller.
#[derive(Clone, Debug)]
pub struct NewReceipt {
    /// The receipt, a DAG-CBOR block.
    pub block: Block,
    /// What it is looked up by; must be what the opener's [`KeysOf`] reads from the block.
    pub keys: ReceiptKeys,
}

/// A receipt from the store; its hash has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReceipt {
    /// Where it is stored.
    pub id: ReceiptId,
    /// Its CID.
    pub cid: Cid,
    /// Its bytes.
    pub block: Vec<u8>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunStatus {
    /// Not finished: it runs, or it was interrupted and can go on.
    Running,
    /// All that was asked for ended well.
    Ok,
    /// Something that was asked for ended in an error.
    Error,
    /// Ended by the user.
    Cancelled,
    /// Of something that was to be done at most once it is not known whether it was done.
    InDoubt,
}

impl RunStatus {
    /// The number that stands for it in `run.status`.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Running => 0,
            Self::Ok => 1,
            Self::Error => 2,
            Self::Cancelled => 3,
            Self::InDoubt => 4,
        }
    }

    /// The inverse of [`RunStatus::code`].
    pub(crate) fn from_code(code: i64) -> Option<Self> {
        let all = [
            Self::Running,
            Self::Ok,
            Self::Error,
            Self::Cancelled,
            Self::InDoubt,
        ];
        all.into_iter().find(|status| status.code() == code)
    }
}

/// How far one step of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepState {
    /// Not ended. A step without a row is pending too.
    Pending,
    /// Ended with an ok receipt.
    Ok,
    /// Ended with an error receipt.
    Error,
    /// Will not be run.
    Cancelled,
}

impl StepState {
    /// The number that stands for it in `step.state`.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Pending => 0,
            Self::Ok => 1,
            Self::Error => 2,
            Self::Cancelled => 3,
        }
    }

    /// The inverse of [`StepState::code`].
    pub(crate) fn from_code(code: i64) -> Option<Self> {
        [Self::Pending, Self::Ok, Self::Error, Self::Cancelled]
            .into_iter()
            .find(|state| state.code() == code)
    }
}

/// A run to create; it starts as [`RunStatus::Running`].
#[derive(Clone, Debug)]
pub struct NewRun {
    /// From [`Store::new_run_id`](crate::Store::new_run_id).
    pub id: RunId,
    /// CID of the workflow's root block.
    pub workflow: Cid,
    /// The workflow's name, if it has one.
    pub name: Option<String>,
    /// Where the user took the workflow from, for instance the path of its file.
    pub source: Option<String>,
    /// CID of the invocation that asked for it.
    pub invocation: Option<Cid>,
    /// Seconds since the epoch.
    pub started: i64,
    /// Number of steps.
    pub tasks: u32,
}

/// A change to a run.
#[derive(Clone, Copy, Debug)]
pub struct RunUpdate {
    /// Which run.
    pub id: RunId,
    /// Its status from now on.
    pub status: RunStatus,
    /// Seconds since the epoch, when it has ended.
    pub finished: Option<i64>,
}

/// A run from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInfo {
    /// Which run.
    pub id: RunId,
    /// CID of the workflow's root block.
    pub workflow: Cid,
    /// The workflow's name, if it has one.
    pub name: Option<String>,
    /// Where the user took the workflow from.
    pub source: Option<String>,
    /// CID of the invocation that asked for it.
    pub invocation: Option<Cid>,
    /// Seconds since the epoch.
    pub started: i64,
    /// Seconds since the epoch, when it has ended.
    pub finished: Option<i64>,
    /// How far it is.
    pub status: RunStatus,
    /// Number of steps.
    pub tasks: u32,
    /// Number of steps that are not pending.
    pub done: u32,
}

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub enum RunFilter {
    /// Every run.
    #[default]
    All,
    /// Runs of this workflow.
    Workflow(Cid),
    /// Runs of workflows with this name.
    Name(String),
    /// Runs of workflows that were taken from this place.
    Source(String),
}

/// The receipt that ended a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepReceipt {
    /// A receipt of the same batch, by its position; [`Batch::receipt`] returns this.
    InBatch(usize),
    /// A receipt that is stored already.
    Stored(ReceiptId),
}

/// A new state of a step; replaces an earlier one.
#[derive(Clone, Copy, Debug)]
pub struct StepUpdate {
    /// Which run.
    pub run: RunId,
    /// Position of the step in its workflow.
    pub index: u32,
    /// Its state from now on.
    pub state: StepState,
    /// The receipt that ended it.
    pub receipt: Option<StepReceipt>,
}

/// A step from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepInfo {
    /// Position of the step in its workflow.
    pub index: u32,
    /// How far it is.
    pub state: StepState,
    /// The receipt that ended it; read it with [`Store::receipt_at`](crate::Store::receipt_at).
    pub receipt: Option<ReceiptId>,
}

/// Why something is kept although no run refers to it. The later includes the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PinKind {
    /// Somebody wants it here.
    Pinned,
    /// Somebody wants it here and open to everybody.
    Public,
}

impl PinKind {
    /// The number that stands for it in `pin.kind`.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Pinned => 0,
            Self::Public => 1,
        }
    }

    /// The inverse of [`PinKind::code`].
    pub(crate) fn from_code(code: i64) -> Option<Self> {
        [Self::Pinned, Self::Public]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// A root: it, and all that it links to, is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// What is kept.
    pub cid: Cid,
    /// Why.
    pub kind: PinKind,
    /// Since when, in seconds since the epoch.
    pub since: i64,
}

/// A delegation or revocation to keep. Its signature has been verified by the caller.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The token, a DAG-CBOR block.
    pub block: Block,
    /// Since when it is known, in seconds since the epoch.
    pub since: i64,
}

/// A token from the store; its hash has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// Its position: grows with every token.
    pub id: i64,
    /// Its CID.
    pub cid: Cid,
    /// Since when it is known, in seconds since the epoch.
    pub since: i64,
    /// Its bytes.
    pub block: Vec<u8>,
}

/// What people here call a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub name: String,
    /// The principal, as text.
    pub did: String,
    /// Since when, in seconds since the epoch.
    pub since: i64,
}

/// Whose key a home had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The person's.
    Owner,
    /// The home's own.
    Agent,
}

impl Role {
    /// The number that stands for it in `former.role`.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Owner => 0,
            Self::Agent => 1,
        }
    }

    /// The inverse of [`Role::code`].
    pub(crate) fn from_code(code: i64) -> Option<Self> {
        [Self::Owner, Self::Agent]
            .into_iter()
            .find(|role| role.code() == code)
    }
}

/// A key that a home had before, and the one that took its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// The former principal, as text.
    pub did: String,
    /// Whose it was.
    pub role: Role,
    /// The principal that took its place, as text.
    pub successor: String,
    /// Since when, in seconds since the epoch.
    pub since: i64,
}

/// A change of what is known about rights and principals.
#[derive(Clone, Debug)]
pub(crate) enum AuthorityChange {
    Token(NewToken),
    Forget(Cid),
    Accept { receipt: Cid, since: i64 },
    Name(Name),
    Unname(String),
    Former(Former),
}

/// A note that a task is about to be done, which must not be done twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The task.
    pub task: Cid,
    /// The run that is doing it.
    pub run: RunId,
    /// The step of that run.
    pub index: u32,
    /// Since when, in seconds since the epoch.
    pub since: i64,
    /// With which account it is done: only the far side that was asked recognises it.
    pub account: Option<String>,
    /// Why it is not known whether it was done, once that is so.
    pub doubt: Option<String>,
}

/// What a run was made of: equal for all runs of the same file with the same inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The run.
    pub run: RunId,
    /// The name of what it was made of.
    pub cid: Cid,
}

/// A value that a subject keeps under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Whose it is, as text.
    pub subject: String,
    /// Its key; not empty.
    pub key: String,
    /// Grows with every change of any key of the subject, and is never used again, not after a removal either.
    pub version: i64,
    /// The value's bytes.
    pub value: Vec<u8>,
}

/// A setting of this home whose content the store does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Since when, in seconds since the epoch.
    pub since: i64,
    /// Its bytes, as a rule sealed.
    pub value: Vec<u8>,
}

/// A change of what is needed to do effects once.
#[derive(Clone, Debug)]
pub(crate) enum JournalChange {
    Intend(Intent),
    Settle(Cid),
    Recipe(Recipe),
    Put(Value),
    Remove { subject: String, key: String },
    Set(Setting),
    Unset(String),
}

/// A change of the pins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PinChange {
    Pin(Pin),
    Unpin(Cid),
}

/// Things that are stored together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) blocks: Vec<Block>,
    pub(crate) receipts: Vec<NewReceipt>,
    pub(crate) runs: Vec<NewRun>,
    pub(crate) run_updates: Vec<RunUpdate>,
    pub(crate) steps: Vec<StepUpdate>,
    pub(crate) pins: Vec<PinChange>,
    pub(crate) authority: Vec<AuthorityChange>,
    pub(crate) journal: Vec<JournalChange>,
}

impl Batch {
    /// A batch with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a block. One that is stored already costs a look-up.
    pub fn block(&mut self, block: Block) -> &mut Self {
        self.blocks.push(block);
        self
    }

    /// Adds a receipt and returns its name for [`StepUpdate::receipt`] in this batch.
    pub fn receipt(&mut self, receipt: NewReceipt) -> StepReceipt {
        self.receipts.push(receipt);
        StepReceipt::InBatch(self.receipts.len() - 1)
    }

    /// Adds a run.
    pub fn run(&mut self, run: NewRun) -> &mut Self {
        self.runs.push(run);
        self
    }

    /// Adds a change to a run.
    pub fn run_update(&mut self, update: RunUpdate) -> &mut Self {
        self.run_updates.push(update);
        self
    }

    /// Adds a new state of a step.
    pub fn step(&mut self, step: StepUpdate) -> &mut Self {
        self.steps.push(step);
        self
    }

    /// Adds a pin. Of two for the same CID the one that opens it to more counts.
    pub fn pin(&mut self, pin: Pin) -> &mut Self {
        self.pins.push(PinChange::Pin(pin));
        self
    }

    /// Takes the pin of a CID away, whatever its kind, if it has one.
    pub fn unpin(&mut self, cid: Cid) -> &mut Self {
        self.pins.push(PinChange::Unpin(cid));
        self
    }

    /// Adds a delegation or revocation. One that is there already stays as it is.
    pub fn token(&mut self, token: NewToken) -> &mut Self {
        self.authority.push(AuthorityChange::Token(token));
        self
    }

    /// Takes a token away, if it is there.
    pub fn forget_token(&mut self, cid: Cid) -> &mut Self {
        self.authority.push(AuthorityChange::Forget(cid));
        self
    }

    /// Has a receipt of another count here like an own one, from `since` on, in seconds since the epoch.
    pub fn accept(&mut self, receipt: Cid, since: i64) -> &mut Self {
        let change = AuthorityChange::Accept { receipt, since };
        self.authority.push(change);
        self
    }

    /// Gives a principal a name. A name that is there already then stands for this principal.
    pub fn name(&mut self, name: Name) -> &mut Self {
        self.authority.push(AuthorityChange::Name(name));
        self
    }

    /// Takes a name away, if it is there.
    pub fn unname(&mut self, name: String) -> &mut Self {
        self.authority.push(AuthorityChange::Unname(name));
        self
    }

    /// Notes a key that this home had before.
    pub fn former(&mut self, former: Former) -> &mut Self {
        self.authority.push(AuthorityChange::Former(former));
        self
    }

    /// Notes that a task is about to be done, or why it is in doubt; replaces an earlier note of the task.
    pub fn intend(&mut self, intent: Intent) -> &mut Self {
        self.journal.push(JournalChange::Intend(intent));
        self
    }

    /// Takes the note of a task away: it is known how it ended.
    pub fn settle(&mut self, task: Cid) -> &mut Self {
        self.journal.push(JournalChange::Settle(task));
        self
    }

    /// Notes what a run was made of.
    pub fn recipe(&mut self, recipe: Recipe) -> &mut Self {
        self.journal.push(JournalChange::Recipe(recipe));
        self
    }

    /// Keeps a value under a key, in the place of the one before.
    pub fn put(&mut self, value: Value) -> &mut Self {
        self.journal.push(JournalChange::Put(value));
        self
    }

    /// Takes the value under a key away, if there is one.
    pub fn remove(&mut self, subject: String, key: String) -> &mut Self {
        self.journal.push(JournalChange::Remove { subject, key });
        self
    }

    /// Keeps a setting, in the place of the one before.
    pub fn set(&mut self, setting: Setting) -> &mut Self {
        self.journal.push(JournalChange::Set(setting));
        self
    }

    /// Takes a setting away, if it is there.
    pub fn unset(&mut self, name: String) -> &mut Self {
        self.journal.push(JournalChange::Unset(name));
        self
    }

    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items() == 0
    }

    /// Number of things in it; at most [`BATCH_ITEMS_MAX`](crate::BATCH_ITEMS_MAX).
    #[must_use]
    pub fn items(&self) -> usize {
        self.blocks.len()
            + self.receipts.len()
            + self.runs.len()
            + self.run_updates.len()
            + self.steps.len()
            + self.pins.len()
            + self.authority.len()
            + self.journal.len()
    }

    /// Bytes of the blocks, receipts, tokens and values in it; at most [`BATCH_BYTES_MAX`](crate::BATCH_BYTES_MAX).
    #[must_use]
    pub fn bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(|block| block.data().len()).sum();
        let receipts: usize = self
            .receipts
            .iter()
            .map(|receipt| receipt.block.data().len())
            .sum();
        let tokens = self.authority.iter().map(|change| match change {
            AuthorityChange::Token(token) => token.block.data().len(),
            _ => 0,
        });
        let values = self.journal.iter().map(|change| match change {
            JournalChange::Put(value) => value.value.len(),
            JournalChange::Set(setting) => setting.value.len(),
            _ => 0,
        });
        blocks + receipts + tokens.sum::<usize>() + values.sum::<usize>()
    }
}

/// Told when a batch is on the disk, or why it is not. Runs on the thread that wrote it, while others wait to write: it
/// must be quick, must not panic and must not wait for the store.
pub type OnDurable = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Sizes and counts of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Receipts stored.
    pub receipts: u64,
    /// Blocks stored, rows and files together.
    pub blocks: u64,
    /// Blocks that are files.
    pub block_files: u64,
    /// Bytes in these files.
    pub block_file_bytes: u64,
    /// Runs.
    pub runs: u64,
    /// Pins.
    pub pins: u64,
    /// Bytes that the home may grow to.
    pub limit: Option<u64>,
    /// Bytes of `main.db`.
    pub main_bytes: u64,
    /// Bytes of the WAL of `main.db`, including what is reserved ahead.
    pub wal_bytes: u64,
    /// Bytes of `index.db` and its WAL.
    pub index_bytes: u64,
    /// The newest receipt that `index.db` covers; memory covers the rest. `None` while there is no usable index.
    pub indexed: Option<ReceiptId>,
}
