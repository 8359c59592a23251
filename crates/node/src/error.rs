//! Everything that can go wrong in a node, as a user is told it.

use std::io;
use std::path::{Path, PathBuf};

use ipvm_ipld::Cid;
use ipvm_workflow::author::Diagnostics;

/// A failure of the node or its store.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Nothing was ever started here.
    #[error("there is no home in {0}: nothing was run or added here yet")]
    NoHome(PathBuf),
    /// A file or folder could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder where a file is expected.
    #[error("{} is a folder; only files can be added", .0.display())]
    Folder(PathBuf),
    /// Something in a folder that has no content.
    #[error("{} is neither a file, a folder nor a symbolic link", .0.display())]
    Special(PathBuf),
    /// A name or a target that is not text.
    #[error("the name {} is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// Folders inside one another without end.
    #[error("{} is nested deeper than {} folders", .0.display(), crate::MAX_PATH_DEPTH)]
    TooDeep(PathBuf),
    /// Something in a folder cannot be put into a UnixFS folder.
    #[error("cannot add {}: {source}", path.display())]
    Entry {
        /// The folder, or the symbolic link.
        path: PathBuf,
        /// Why not.
        source: ipvm_ipld::unixfs::DirectoryError,
    },
    /// A path that leads through what is no folder.
    #[error("{path} is not a folder: it is {what}")]
    NotAFolder {
        /// The path, up to what is no folder.
        path: String,
        /// What it is.
        what: String,
    },
    /// A path to a name that is not there.
    #[error("there is no {name:?} in {folder}")]
    NoEntry {
        /// The folder.
        folder: String,
        /// The name.
        name: String,
        /// A name in it that may be meant.
        nearest: Option<String>,
    },
    /// A CAR that cannot be read to its end.
    #[error("{source} (blocks kept that came before: {kept})")]
    Car {
        /// Blocks that were whole.
        kept: u64,
        /// What is wrong, and where.
        source: Box<ipvm_ipld::car::CarError<io::Error>>,
    },
    /// A CAR without some blocks of a root.
    #[error(
        "the CAR's blocks are kept, but {root} is not whole: block {missing} is neither in the CAR nor in this home"
    )]
    NotWhole {
        /// The root.
        root: Box<Cid>,
        /// The first block that is missing.
        missing: Box<Cid>,
    },
    /// Writing a result failed.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// A key file is damaged.
    #[error("{} is not usable: {message}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no random bytes: {0}")]
    Random(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] ipvm_store::StoreError),
    /// The Wasm engine could not be started.
    #[error(transparent)]
    Engine(#[from] ipvm_wasm::EngineError),
    /// A module cannot be used.
    #[error("module {module}: {message}")]
    Module {
        /// Its CID.
        module: Cid,
        /// Why not.
        message: String,
    },
    /// A block is not here.
    #[error("no block {0} in this home")]
    NoBlock(Cid),
    /// A block was given up for space, and can be made again.
    #[error("{0} is a result that was given up to keep this home under its size limit")]
    GivenUp(Cid),
    /// What is to be stored does not fit under the limit.
    #[error(transparent)]
    OverLimit(Box<OverLimit>),
    /// There is a home where one is to be made.
    #[error("{} is not empty", .0.display())]
    HomeExists(PathBuf),
    /// An exported home cannot be used.
    #[error("{name} cannot be imported: {message}")]
    Archive {
        /// The archive.
        name: String,
        /// What is wrong, and where.
        message: String,
    },
    /// A limit under which nothing can be done.
    #[error("a limit of {bytes} bytes is too small; the smallest is {} MiB", min >> 20)]
    LimitTooSmall {
        /// What was asked for.
        bytes: u64,
        /// The smallest limit.
        min: u64,
    },
    /// A name that stands for nothing, or for several things.
    #[error("{0}")]
    Name(String),
    /// An account that was tried does not work.
    #[error("the account {name} does not work: {problem}")]
    Account {
        /// Its name.
        name: String,
        /// What was seen.
        problem: Box<ipvm_effects::Problem>,
    },
    /// A task that is awaited has no result here that counts.
    #[error("{message}")]
    Unmet {
        /// The task.
        task: Cid,
        /// Why it is not met.
        message: String,
    },
    /// A token on record cannot be read.
    #[error(transparent)]
    Token(#[from] ipvm_ucan::Malformed),
    /// A token cannot be signed.
    #[error(transparent)]
    Sign(#[from] ipvm_ucan::EncodeError),
    /// A signature is wrong.
    #[error("a receipt on record is forged or damaged: {0}")]
    Signature(#[from] ipvm_ucan::SignatureError),
    /// A task or computation on record is malformed.
    #[error(transparent)]
    Wire(#[from] ipvm_workflow::WireError),
    /// A promise is malformed.
    #[error(transparent)]
    Promise(#[from] ipvm_ucan::promise::PromiseError),
    /// A command is malformed.
    #[error(transparent)]
    Command(#[from] ipvm_ucan::CommandError),
    /// Content is incomplete or damaged.
    #[error("{0}")]
    Content(String),
    /// A value cannot be encoded.
    #[error(transparent)]
    Encode(#[from] ipvm_ipld::cbor::EncodeError),
    /// A stored value cannot be decoded.
    #[error(transparent)]
    Decode(#[from] ipvm_ipld::cbor::DecodeError),
    /// A workflow cannot be encoded or is inconsistent.
    #[error(transparent)]
    Workflow(Box<ipvm_workflow::WorkflowError>),
    /// A graph is inconsistent.
    #[error(transparent)]
    Graph(Box<ipvm_workflow::GraphError>),
    /// The scheduler and its driver disagree.
    #[error("internal: {0}; please report this")]
    Scheduler(#[from] ipvm_scheduler::SchedulerError),
    /// A state that cannot be.
    #[error("internal: {0}; please report this")]
    Internal(String),
    /// Somebody has not the authority.
    #[error(transparent)]
    Refused(#[from] ipvm_ucan::Refusal),
    /// Nothing here gives the right that is needed.
    #[error(transparent)]
    NoChain(Box<ipvm_ucan::NoChain>),
    /// What is known of rights is not enough, or damaged.
    #[error("{0}")]
    Authority(String),
    /// No room for a revocation.
    #[error(transparent)]
    Revocations(#[from] ipvm_ucan::RevocationsError),
    /// A key is protected, and nobody gave the passphrase.
    #[error("the key in {} is protected by a passphrase", .0.display())]
    NoPassphrase(PathBuf),
    /// The passphrase is another, or the file was changed.
    #[error("the passphrase does not open {}", .0.display())]
    WrongPassphrase(PathBuf),
    /// A step that is secret says that it is not.
    #[error(transparent)]
    NotOpen(#[from] ipvm_workflow::NotOpen),
    /// Something that is not for the owner of this home.
    #[error("this is sealed, and not with the key of this home's owner")]
    Sealed,
    /// What opens what earlier keys sealed does not open itself.
    #[error("{} does not open with the owner's key: it is damaged, or of another home", .0.display())]
    SealingKey(PathBuf),
    /// Something secret would leave the home.
    #[error("{0} is secret: it does not leave this home")]
    Secret(Cid),
    /// A file that was read twice and was not the same.
    #[error("{} changed while it was read", .0.display())]
    Changed(PathBuf),
    /// The user stopped it.
    #[error("interrupted")]
    Interrupted,
    /// The workflow asks for what this version does not offer.
    #[error("`{label}`: {message}")]
    NotOffered {
        /// The step, or the part of the workflow.
        label: String,
        /// What is not offered.
        message: String,
    },
}

/// A home is at its limit, and nothing that can be computed again is left to give up.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "{} may hold {limit} bytes and holds {} ({store_bytes} in the store, {cache_bytes} in compiled modules){}; too little of it can be computed again; nothing was stored or given up",
    home.display(), store_bytes + cache_bytes, coming_text(*.coming)
)]
pub struct OverLimit {
    /// The home.
    pub home: PathBuf,
    /// Its limit, in bytes.
    pub limit: u64,
    /// Bytes in the store.
    pub store_bytes: u64,
    /// Bytes in the cache.
    pub cache_bytes: u64,
    /// Bytes that were to be added.
    pub coming: u64,
}

fn coming_text(coming: u64) -> String {
    match coming {
        0 => String::new(),
        bytes => format!(", and {bytes} more were to come"),
    }
}

impl From<ipvm_ucan::NoChain> for NodeError {
    fn from(error: ipvm_ucan::NoChain) -> Self {
        Self::NoChain(Box::new(error))
    }
}

impl From<ipvm_workflow::WorkflowError> for NodeError {
    fn from(error: ipvm_workflow::WorkflowError) -> Self {
        Self::Workflow(Box::new(error))
    }
}

impl From<ipvm_workflow::GraphError> for NodeError {
    fn from(error: ipvm_workflow::GraphError) -> Self {
        Self::Graph(Box::new(error))
    }
}

impl From<ipvm_ipld::unixfs::ReadError<NodeError>> for NodeError {
    fn from(error: ipvm_ipld::unixfs::ReadError<NodeError>) -> Self {
        match error {
            ipvm_ipld::unixfs::ReadError::Get { error, .. } => error,
            ipvm_ipld::unixfs::ReadError::Sink(source) => source,
            other => Self::Content(other.to_string()),
        }
    }
}

impl NodeError {
    pub(crate) fn entry(path: &Path, source: ipvm_ipld::unixfs::DirectoryError) -> Self {
        Self::Entry {
            path: path.to_path_buf(),
            source,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }

    /// What to do about it, or nothing.
    pub fn help(&self) -> String {
        match self {
            Self::NoHome(_) => {
                "start with `ipvm run FILE` or `ipvm add PATH`, or set IPVM_HOME".into()
            }
            Self::Folder(_) => "name a file in it".into(),
            Self::Special(_) => "move it away, or add files one by one".into(),
            Self::NotText(_) => "rename it".into(),
            Self::NotAFolder { .. } => "end the path there".into(),
            Self::NoEntry {
                folder,
                nearest: Some(nearest),
                ..
            } => format!("did you mean {folder}/{nearest}?"),
            Self::NoEntry { folder, .. } => format!("`ipvm ls {folder}` lists what is there"),
            Self::Car { .. } => {
                "get the CAR again; blocks that are here are not written twice".into()
            }
            Self::NotWhole { .. } => "import a CAR that holds it, or add the content here".into(),
            Self::Account { problem, .. } => help_for_account(problem).into(),
            Self::Unmet { .. } => "`--wait SECONDS` waits for what another process brings".into(),
            Self::NoPassphrase(_) => {
                "set IPVM_PASSPHRASE, or run this on a terminal, which asks for it".into()
            }
            Self::SealingKey(_) => {
                "if `ipvm key rotate` was cut short, any command that writes completes it; else restore the file from a \
                 copy: without it, nothing can be read that earlier keys sealed"
                    .into()
            }
            Self::WrongPassphrase(_) => "try again; nothing was changed".into(),
            Self::NoChain(_) => {
                "import the delegation that gives the right (`ipvm ucan import FILE`), or name it with --proof; \
                 `ipvm ucan list` shows what is here"
                    .into()
            }
            Self::Refused(refusal) => help_for(refusal),
            Self::Key { .. } => {
                "restore the file from a copy, or move the whole home away to start anew".into()
            }
            Self::NoBlock(_) => "check the CID; `ipvm add` adds content".into(),
            Self::GivenUp(_) => {
                "run its workflow again with `ipvm run`; `ipvm store limit` shows and sets the limit"
                    .into()
            }
            Self::OverLimit(_) => {
                "raise the limit with `ipvm store limit SIZE`, let go of pins with `ipvm store unpin CID`, or drop \
                 old runs with `ipvm store gc --keep 30d`"
                    .into()
            }
            Self::HomeExists(_) => {
                "set IPVM_HOME to a folder that is not there yet, or move this one away".into()
            }
            Self::Archive { .. } => "nothing was imported; use another copy of the file".into(),
            Self::LimitTooSmall { .. } => "set a larger one, or `none`".into(),
            Self::Module { .. } => {
                "a module is a Wasm component, as `cargo build --target wasm32-wasip2` makes".into()
            }
            Self::NotOffered { .. } => "remove it from the workflow".into(),
            Self::NotOpen(_) => {
                "leave `secret: false` out: what a secret goes into is secret; `ipvm explain FILE` shows the rest".into()
            }
            Self::Secret(_) => "`ipvm get` without --car writes its content for you".into(),
            Self::Changed(_) => "run it again when nobody writes to it".into(),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "check the spelling".into()
            }
            _ => String::new(),
        }
    }
}

/// What to do about an account that does not work.
fn help_for_account(problem: &ipvm_effects::Problem) -> &'static str {
    match problem.reason {
        "private address" => {
            "add the account again, with `--allow-private HOST:PORT` if that server is meant"
        }
        _ => "if the account is wrong, add it again under its name, which replaces it",
    }
}

/// What to do about a refusal.
fn help_for(refusal: &ipvm_ucan::Refusal) -> String {
    match refusal.kind {
        ipvm_ucan::Kind::UnavailableProof => {
            "put all delegations of the chain into one container, or name them with --proof"
        }
        ipvm_ucan::Kind::UnavailableKey => {
            "save the DID document from there and give it with --did-document FILE; `ipvm ucan import` keeps it for 30 days"
        }
        ipvm_ucan::Kind::Expired => "ask for a new one",
        ipvm_ucan::Kind::Revoked => "ask whoever gave the right; what was taken back stays so",
        ipvm_ucan::Kind::InvalidAudience => "name the executor with `ipvm ucan invoke --audience`",
        _ => return String::new(),
    }
    .to_owned()
}

/// Why a file or a call cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The workflow file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The workflow file is too large.
    #[error("{} has {bytes} bytes; a workflow file may have {max}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// The workflow file says something wrong.
    #[error("{} is not a workflow that can be run", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Its text, for showing the places.
        text: String,
        /// What is wrong, where, and what to do.
        diagnostics: Diagnostics,
    },
    /// No such function, or several.
    #[error(transparent)]
    Function(#[from] ipvm_wasm::FindError),
    /// The wrong number of arguments.
    #[error("{given} arguments given, {expected} expected by {function}")]
    ArgumentCount {
        /// The function with its types.
        function: String,
        /// How many it takes.
        expected: usize,
        /// How many there are.
        given: usize,
    },
    /// An argument cannot be read.
    #[error("argument `{name}` ({ty}): {message}")]
    Argument {
        /// The parameter.
        name: String,
        /// Its type.
        ty: String,
        /// What is wrong.
        message: String,
    },
    /// An argument does not fit.
    #[error("{message} in a call of {function}")]
    Mismatch {
        /// The function with its types.
        function: String,
        /// What does not fit.
        message: String,
    },
    /// The node failed.
    #[error(transparent)]
    Node(Box<NodeError>),
}

impl From<NodeError> for PrepareError {
    fn from(error: NodeError) -> Self {
        Self::Node(Box::new(error))
    }
}

impl From<ipvm_workflow::WorkflowError> for PrepareError {
    fn from(error: ipvm_workflow::WorkflowError) -> Self {
        NodeError::from(error).into()
    }
}

impl PrepareError {
    /// What to do about it, or nothing. Diagnostics of a file carry their own help.
    pub fn help(&self) -> String {
        match self {
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "check the path; a workflow is a YAML or JSON file".into()
            }
            Self::TooLarge { .. } => "use `each` instead of writing every task".into(),
            Self::Argument { .. } | Self::Mismatch { .. } => {
                "write DAG-JSON (`-1`, `\"text\"`, `[1, 2]`), or `@path` for a file's content"
                    .into()
            }
            Self::Node(error) => error.help(),
            _ => String::new(),
        }
    }
}
