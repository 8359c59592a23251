//! What can be wrong with a workflow file: the place, the reason and the remedy.

use super::compiler::MAX_PARAMS_BYTES;
use super::document::{MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES, Position};
use super::read::{MAX_INT, MAX_STRUCTURE};
use crate::graph::MAX_AWAITS;
use crate::workflow::{MAX_ARGS_DEPTH, MAX_LABEL_BYTES, MAX_TASKS, MAX_WORKFLOW_BYTES};
use std::fmt;

/// Most errors that are reported at once.
pub const MAX_DIAGNOSTICS: usize = 20;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In the workflow file.
    File,
    /// In a `--set` with this key.
    Set(String),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// The text that `path` and `position` are about.
    pub origin: Origin,
    /// Path of the value or key, such as `tasks.small.args[0]`; empty for the whole.
    pub path: String,
    /// Place of the value or key, if the text has such places (DAG-CBOR and `--set` have none).
    pub position: Option<Position>,
    /// The reason; [`Problem::help`] has the remedy.
    pub problem: Problem,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.position) {
            (Origin::Set(key), _) => write!(f, "--set {key}: ")?,
            (Origin::File, Some(position)) => write!(f, "{position}: ")?,
            (Origin::File, None) if self.path.is_empty() => {}
            (Origin::File, None) => write!(f, "{}: ", self.path)?,
        }
        write!(f, "{}; {}", self.problem, self.problem.help())
    }
}

/// All that was found wrong, in the order of the file; at least one thing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub struct Diagnostics {
    /// What is wrong, at most [`MAX_DIAGNOSTICS`] things.
    pub list: Vec<Diagnostic>,
    /// There may be more: the rest was not looked at.
    pub more: bool,
}

impl Diagnostics {
    pub(crate) fn one(diagnostic: Diagnostic) -> Self {
        Self {
            list: vec![diagnostic],
            more: false,
        }
    }

    /// The things that are wrong.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{diagnostic}")?;
        }
        if self.more {
            f.write_str("\n… and more")
        } else {
            Ok(())
        }
    }
}

/// A reason; its `Display` is the message, [`Problem::help`] the remedy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant's message is its documentation")]
pub enum Problem {
    // Reading.
    #[error(
        "the file has {bytes} bytes, more than the {} that a workflow file may have",
        MAX_FILE_BYTES
    )]
    FileTooLarge { bytes: u64 },
    #[error("this is neither UTF-8 text nor DAG-CBOR")]
    NotUtf8,
    #[error("this is not YAML: {message}")]
    Syntax { message: String },
    #[error("this is not DAG-CBOR: {message}")]
    Cbor { message: String },
    #[error("the file is empty")]
    Empty,
    #[error("this is nested more than {} levels deep", MAX_DEPTH)]
    TooDeep,
    #[error("the file has more than {} values", MAX_NODES)]
    TooManyValues,
    #[error(
        "the file has more than {} structure characters ([ ] {{ }} , : ? & * !)",
        MAX_STRUCTURE
    )]
    TooMuchStructure,
    #[error("anchors (&name) are not accepted")]
    Anchor,
    #[error("aliases (*name) are not accepted")]
    Alias,
    #[error("the tag {tag} is not accepted here")]
    Tag { tag: String },
    #[error("a second document begins here")]
    ManyDocuments,
    #[error("the key {key:?} occurs twice in this map{}", first_at(*.first))]
    DuplicateKey {
        key: String,
        first: Option<Position>,
    },
    #[error("a key has to be text, and this is {found}")]
    KeyNotText {
        found: &'static str,
        text: Option<String>,
    },
    #[error(
        "the number {text} is out of range: whole numbers go from -{} to {}",
        MAX_INT,
        MAX_INT
    )]
    IntRange { text: String },
    #[error("the number {text} is not finite, and the formats have no such number")]
    NotFinite { text: String },

    // The file's structure.
    #[error("the version {found} of the file format is not the one that is read here")]
    Version { found: String },
    #[error("{what} is expected here, not {found}")]
    Expected {
        what: &'static str,
        found: &'static str,
        help: &'static str,
    },
    #[error("unknown key {key:?} in {of}")]
    UnknownKey {
        key: String,
        of: &'static str,
        known: &'static [&'static str],
        similar: Option<&'static str>,
    },
    #[error("{of} has no {key:?}")]
    MissingKey {
        key: &'static str,
        of: &'static str,
        example: &'static str,
    },
    #[error("a task has either \"mod\" and \"fun\" or \"cmd\", and this has both")]
    TwoKinds,
    #[error("{key:?} does not go with {with:?}")]
    NotWith {
        key: &'static str,
        with: &'static str,
        help: &'static str,
    },
    #[error("there are no tasks")]
    NoTasks,
    #[error("{text:?} cannot be a {what}: {why}")]
    BadName {
        what: &'static str,
        text: String,
        why: &'static str,
    },
    #[error("{text:?} is not {what}")]
    BadQuantity {
        text: String,
        what: &'static str,
        help: &'static str,
    },
    #[error("{message}")]
    BadCommand { message: String },
    #[error("the check {name:?} is not offered")]
    BadCheck {
        name: String,
        similar: Option<String>,
    },
    #[error("this consensus cannot be reached: {reason}")]
    BadConsensus { reason: String },
    #[error("\"meta\" has a \"name\" of its own")]
    MetaName,
    #[error("a pure task changes nothing, so there is nothing to undo")]
    UndoPure,

    // Values.
    #[error("unknown label {label:?}")]
    UnknownLabel {
        label: String,
        similar: Option<String>,
    },
    #[error("{label:?} has no \"each\", so it has no items")]
    NotEach { label: String },
    #[error("there is no {item:?}: {label:?} has {count} items, numbered from 0")]
    NoSuchItem {
        item: String,
        label: String,
        count: usize,
    },
    #[error("unknown param {name:?}")]
    UnknownParam {
        name: String,
        known: Vec<String>,
        similar: Option<String>,
    },
    #[error("the tasks wait for each other: {}", .labels.join(" → "))]
    Cycle { labels: Vec<String> },
    #[error("\"item\" has a meaning only in a task with \"each\"")]
    ItemOutside,
    #[error("\"await\" has no meaning in {place}")]
    AwaitOutside { place: &'static str },
    #[error("\"param\" has no meaning in {place}")]
    ParamOutside { place: &'static str },
    #[error("the param {name:?} is a glob, which has a meaning only under \"each\"")]
    GlobOutside { name: String },
    #[error("{key:?} is reserved and has to stand alone in its map")]
    AwaitNotAlone { key: String },
    #[error(
        "a map with the key {key:?} cannot be passed on as data: on the wire it always means a promise, quoted or not"
    )]
    QuotedAwait { key: String },
    #[error("this is not base64: {message}")]
    BadBase64 { message: String },
    #[error("{message}")]
    BadCid { message: String },
    #[error("{cid} cannot name a task: the CID of a task is a DAG-CBOR one")]
    NotTask { cid: String },
    #[error("the arguments of a {kind} are {expected}, and this gives {found}")]
    BadArgs {
        kind: &'static str,
        expected: &'static str,
        found: &'static str,
    },
    #[error("no file matches {pattern:?}")]
    GlobEmpty { pattern: String },
    #[error("{message}")]
    Source { message: String, help: String },
    #[error("the module has no function {name:?}")]
    UnknownFunction {
        name: String,
        candidates: Vec<String>,
        similar: Option<String>,
    },
    #[error("{name:?} is the short name of more than one function of the module")]
    AmbiguousFunction {
        name: String,
        candidates: Vec<String>,
    },
    #[error("{function}: {message}")]
    Argument {
        function: String,
        message: String,
        help: String,
    },

    // Outputs.
    #[error("{path:?} cannot be an output's path: {why}")]
    OutputPath { path: String, why: &'static str },
    #[error("{label:?} has one result per item, and this path has no place for the item's number")]
    OutputIndexMissing { label: String, path: String },
    #[error("{label:?} has a single result, so there is no number to put for {{index}}")]
    OutputIndexExtra { label: String },
    #[error("{path:?} is already the output of {label:?}, or a folder that it is in")]
    OutputTwice { path: String, label: String },

    // Limits.
    #[error("there are more than {most} {what} here")]
    TooManyItems { what: &'static str, most: usize },
    #[error("the workflow has more than {} tasks", MAX_TASKS)]
    TooManyTasks,
    #[error(
        "the tasks of the workflow wait for each other in more than {} places",
        MAX_AWAITS
    )]
    TooManyAwaits,
    #[error("this is over {most} bytes when encoded")]
    TooLarge { most: usize },
    #[error("the params have more than {} bytes together", MAX_PARAMS_BYTES)]
    ParamsTooLarge,
    #[error("these arguments are nested more than {} levels deep", MAX_ARGS_DEPTH)]
    ArgsTooDeep,
    #[error(
        "the tasks of the workflow have more than {} bytes together",
        MAX_WORKFLOW_BYTES
    )]
    WorkflowTooLarge,
    #[error("this cannot be encoded: {message}")]
    Encode { message: String },
}

impl Problem {
    /// What to do about it, as a phrase that can follow the message.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Source { help, .. } | Self::Argument { help, .. } => help.clone(),
            Self::UnknownKey { known, similar, .. } => match similar {
                Some(similar) => format!("did you mean {similar:?}?"),
                None => format!("the keys here are {}", known.join(", ")),
            },
            Self::BadCheck {
                similar: Some(similar),
                ..
            } => format!("did you mean {similar:?}?"),
            Self::UnknownLabel { similar, .. } => match similar {
                Some(similar) => format!("did you mean {similar:?}?"),
                None => "use the name of a task of this file, or the CID of a task".into(),
            },
            Self::UnknownParam { known, similar, .. } => {
                known_help("params", known, similar.as_deref())
            }
            Self::UnknownFunction {
                candidates,
                similar,
                ..
            } => known_help("functions", candidates, similar.as_deref()),
            Self::AmbiguousFunction { candidates, .. } => {
                format!("write one of {}", listed(candidates))
            }
            Self::MissingKey { example, .. } => format!("write {example}"),
            Self::Expected { help, .. }
            | Self::NotWith { help, .. }
            | Self::BadQuantity { help, .. } => (*help).into(),
            Self::KeyNotText {
                text: Some(text), ..
            } => format!("put it in quotes: {text:?}"),
            Self::OutputIndexMissing { path, .. } => {
                format!("put {{index}} into it, such as {:?}", with_index(path))
            }
            Self::TwoKinds
            | Self::NoTasks
            | Self::BadName { .. }
            | Self::BadCommand { .. }
            | Self::BadCheck { .. }
            | Self::BadConsensus { .. }
            | Self::MetaName
            | Self::UndoPure
            | Self::Version { .. } => self.structure_help().into(),
            _ => self.plain_help().into(),
        }
    }

    /// Remedies about the structure of the file.
    fn structure_help(&self) -> &'static str {
        match self {
            Self::Version { .. } => {
                "write ipvm: \"0.2\", or use a version of ipvm made for this file"
            }
            Self::TwoKinds => {
                "keep \"mod\" and \"fun\" to call a function, or \"cmd\" for any other command"
            }
            Self::NoTasks => "add at least one under \"tasks\"",
            Self::BadName { what: "label", .. } => {
                "use letters, digits, \"-\", \"_\" and \".\", at most 256 bytes"
            }
            Self::BadName { what: "role", .. } => "use 1 to 256 bytes",
            Self::BadName { .. } => {
                "use letters, digits, \"-\", \"_\", \".\" and spaces, at most 100 characters"
            }
            Self::BadCommand { .. } => "write a command such as /msg/send",
            Self::BadCheck { .. } => "use attestation, oracle, optimistic or consensus",
            Self::BadConsensus { .. } => {
                "name each agent once, and a threshold from 1 to their number"
            }
            Self::MetaName => "use the \"name\" at the top of the file",
            _ => "leave \"undo\" out",
        }
    }

    /// Remedies that are always the same.
    fn plain_help(&self) -> &'static str {
        match self {
            Self::FileTooLarge { .. } | Self::TooManyValues | Self::TooMuchStructure => {
                "put large data into files of their own and refer to them with {file: path}"
            }
            Self::NotUtf8 => "save it as UTF-8, or check that it is a workflow file",
            Self::Syntax { .. } => {
                "look at the indentation, quotes and brackets just before this place"
            }
            Self::Cbor { .. } => "write it with a DAG-CBOR encoder, or use YAML or JSON",
            Self::Empty => "begin with ipvm: \"0.2\" and tasks",
            Self::TooDeep | Self::ArgsTooDeep => {
                "move the inner part into a file of its own, as {file: path} or {link: CID}"
            }
            Self::Anchor | Self::Alias => {
                "write the value out, or use params for what occurs often"
            }
            Self::Tag { .. } => "leave the tag out; bytes are written {bytes: base64}",
            Self::ManyDocuments => "keep one workflow per file",
            Self::DuplicateKey { .. } => "rename or remove one of them",
            Self::KeyNotText { .. } => "write a simple name as the key",
            Self::IntRange { .. } | Self::NotFinite { .. } => "put it in quotes if text is meant",
            Self::NotEach { .. } => "leave the [number] out, or give the task an \"each\"",
            Self::NoSuchItem { .. } => {
                "use a smaller number, or the bare label for the list of all"
            }
            Self::Cycle { .. } => "remove one of these awaits",
            Self::ItemOutside => {
                "add \"each\" to the task, or write {quote: {item: …}} for a plain map"
            }
            Self::AwaitOutside { .. } | Self::ParamOutside { .. } => {
                "use it in the args of a task, or write {quote: …} for a plain map"
            }
            Self::GlobOutside { .. } => {
                "use it as each: {param: name}, and {item: true} in the args"
            }
            Self::AwaitNotAlone { .. } => "remove the other keys of the map, or rename this one",
            Self::QuotedAwait { .. } => {
                "rename the key, or pass the map as a file in DAG-CBOR with {link: CID}"
            }
            Self::BadBase64 { .. } => "use the standard alphabet (A–Z a–z 0–9 + /)",
            Self::BadCid { .. } => "write a CIDv1 with sha2-256, such as bafy…",
            Self::NotTask { .. } => "take it from `ipvm receipt show` or `ipvm run --json`",
            Self::BadArgs { .. } => "write the arguments out here; {quote: …} keeps a map as it is",
            Self::GlobEmpty { .. } => {
                "check the folder and the pattern; it starts at the workflow file's folder"
            }
            Self::OutputPath { .. } => {
                "use a relative path such as small.jpg or pictures/small.jpg"
            }
            Self::OutputIndexExtra { .. } => "leave {index} out",
            Self::OutputTwice { .. } => "give every output its own path",
            Self::TooManyItems { .. } => "keep those that are needed",
            Self::TooManyTasks => "split the work into several workflows",
            Self::TooManyAwaits => "gather in stages: some hundred results at a time, then those",
            Self::TooLarge { .. } => {
                "pass large values as {file: path}, and gather many results in stages"
            }
            Self::ParamsTooLarge => "pass large values as {file: path} instead of {text: path}",
            Self::WorkflowTooLarge => {
                "put what the tasks have in common into a file and pass it as {file: path}"
            }
            _ => "simplify the value",
        }
    }
}

fn first_at(first: Option<Position>) -> String {
    first
        .map(|at| format!("; the first is at {at}"))
        .unwrap_or_default()
}

fn known_help(what: &str, known: &[String], similar: Option<&str>) -> String {
    match (similar, known) {
        (Some(similar), _) => format!("did you mean {similar:?}?"),
        (None, []) => format!("there are no {what}"),
        (None, known) => format!("the {what} are {}", listed(known)),
    }
}

/// Some of the names, as a list for people.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text = names
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(", …");
    }
    text
}

/// A path with the item's number before its extension.
fn with_index(path: &str) -> String {
    let name_start = path.rfind('/').map_or(0, |at| at + 1);
    match path.rfind('.').filter(|dot| *dot > name_start) {
        Some(dot) => {
            let (stem, extension) = path.split_at(dot);
            format!("{stem}-{{index}}{extension}")
        }
        None => format!("{path}-{{index}}"),
    }
}

const _: () = assert!(
    MAX_LABEL_BYTES == 256,
    "the remedy for labels names the limit"
);
