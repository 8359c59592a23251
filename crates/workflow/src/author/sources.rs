//! What a compilation needs from outside: files, modules, names. The crate itself does no I/O.

use super::document::At;
use super::problem::Problem;
use super::shape::Report;
use super::similar;
use crate::workflow::MAX_TASK_BYTES;
use ipvm_ipld::{Cid, Ipld, cid_of, codec, parse_cid};
use ipvm_ucan::Did;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// What a relative path starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// The folder of the workflow file, which it has to stay inside.
    File,
    /// The current folder, since the path was given on the command line (`--set photo=@other.jpg`).
    CommandLine,
}

/// Supplies what a workflow file refers to. Each thing is asked for once.
pub trait Sources {
    /// Adds a file and gives its CID (UnixFS).
    ///
    /// # Errors
    /// If it cannot be read or may not be.
    fn add_file(&mut self, path: &str, base: Base) -> Result<Cid, SourceError>;

    /// The content of a text file. Texts over 1 MiB can be refused at once: they do not fit a task.
    ///
    /// # Errors
    /// If it cannot be read, may not be, or is not UTF-8.
    fn read_text(&mut self, path: &str, base: Base) -> Result<String, SourceError>;

    /// The files that match a pattern, in any order, as paths that [`Sources::add_file`] takes.
    ///
    /// # Errors
    /// If the pattern is wrong or a folder cannot be read.
    fn glob(&mut self, pattern: &str, base: Base) -> Result<Vec<String>, SourceError>;

    /// Adds a module, named by a path that starts from the workflow file, and gives its CID.
    ///
    /// # Errors
    /// If it cannot be read or may not be.
    fn module(&mut self, path: &str) -> Result<Cid, SourceError>;

    /// The full name of a function, given its full or short name.
    ///
    /// # Errors
    /// If the module cannot be used, or does not have exactly one such function.
    fn function(&mut self, module: &Cid, name: &str) -> Result<String, FunctionError>;

    /// Checks arguments against the type of a function, given by its full name. Promises are still in them
    /// (`{"await/ok": Link}` and so on) and fit any type.
    ///
    /// # Errors
    /// Says which argument does not fit, and why.
    fn check_args(&mut self, module: &Cid, function: &str, args: &[Ipld]) -> Result<(), ArgError>;

    /// Whether a function, given by its full name, may ask for effects.
    fn asks(&mut self, module: &Cid, function: &str) -> bool {
        let _ = (module, function);
        false
    }

    /// The DID that a text is or a petname stands for.
    ///
    /// # Errors
    /// If it is neither.
    fn subject(&mut self, name: &str) -> Result<Did, SourceError>;
}

/// Why something outside could not be had: the reason, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {help}")]
pub struct SourceError {
    /// What happened, with the name of the thing.
    pub message: String,
    /// What to do about it, as a phrase that can follow the message.
    pub help: String,
}

/// Why a function could not be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// The module itself is wrong or missing.
    #[error(transparent)]
    Module(#[from] SourceError),
    /// No function has this name.
    #[error("no such function; there are {}", .candidates.join(", "))]
    Unknown {
        /// Names that the module has, as a user would write them.
        candidates: Vec<String>,
    },
    /// More than one function has this short name.
    #[error("more than one function has this name: {}", .candidates.join(", "))]
    Ambiguous {
        /// Their full names.
        candidates: Vec<String>,
    },
}

/// Why arguments do not fit a function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {help}")]
pub struct ArgError {
    /// Which argument, from 0; `None` if it is about all of them, such as their number.
    pub index: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it, as a phrase that can follow the message.
    pub help: String,
}

impl From<SourceError> for Problem {
    fn from(e: SourceError) -> Self {
        Self::Source {
            message: e.message,
            help: e.help,
        }
    }
}

/// [`Sources`] with a memory: each thing is asked for, and its failure reported, once.
pub(crate) struct World<'s> {
    sources: &'s mut dyn Sources,
    files: HashMap<(Base, String), Option<Cid>>,
    texts: HashMap<(Base, String), Option<String>>,
    modules: HashMap<String, Option<Cid>>,
    functions: HashMap<(Cid, String), Option<String>>,
    subjects: HashMap<String, Option<Did>>,
    /// What was read, and the CID of its content.
    pub(crate) read: BTreeMap<(Base, String), Cid>,
}

impl<'s> World<'s> {
    pub(crate) fn new(sources: &'s mut dyn Sources) -> Self {
        Self {
            sources,
            files: HashMap::new(),
            texts: HashMap::new(),
            modules: HashMap::new(),
            functions: HashMap::new(),
            subjects: HashMap::new(),
            read: BTreeMap::new(),
        }
    }

    pub(crate) fn file(
        &mut self,
        report: &mut Report<'_>,
        at: At,
        path: &str,
        base: Base,
    ) -> Option<Cid> {
        let key = (base, path.to_owned());
        let (sources, read) = (&mut *self.sources, &mut self.read);
        once(&mut self.files, key.clone(), || {
            let cid = told(report, at, sources.add_file(path, base))?;
            read.insert(key, cid);
            Some(cid)
        })
    }

    pub(crate) fn text(
        &mut self,
        report: &mut Report<'_>,
        at: At,
        path: &str,
        base: Base,
    ) -> Option<String> {
        let key = (base, path.to_owned());
        let (sources, read) = (&mut *self.sources, &mut self.read);
        once(&mut self.texts, key.clone(), || {
            let text = told(report, at, sources.read_text(path, base))?;
            if text.len() > MAX_TASK_BYTES {
                report.add(
                    at,
                    Problem::TooLarge {
                        most: MAX_TASK_BYTES,
                    },
                );
                return None;
            }
            // A file of up to 1 MiB is one raw block.
            read.insert(key, cid_of(codec::RAW, text.as_bytes()));
            Some(text)
        })
    }

    /// The files that match, sorted by the bytes of their paths.
    pub(crate) fn glob(
        &mut self,
        report: &mut Report<'_>,
        at: At,
        pattern: &str,
        base: Base,
    ) -> Option<Vec<String>> {
        let mut paths = told(report, at, self.sources.glob(pattern, base))?;
        if paths.is_empty() {
            report.add(
                at,
                Problem::GlobEmpty {
                    pattern: pattern.to_owned(),
                },
            );
            return None;
        }
        paths.sort();
        paths.dedup();
        Some(paths)
    }

    /// A module, named by CID or path.
    pub(crate) fn module(&mut self, report: &mut Report<'_>, at: At, name: &str) -> Option<Cid> {
        if let Ok(cid) = parse_cid(name) {
            return Some(cid);
        }
        let (sources, read) = (&mut *self.sources, &mut self.read);
        once(&mut self.modules, name.to_owned(), || {
            let cid = told(report, at, sources.module(name))?;
            read.insert((Base::File, name.to_owned()), cid);
            Some(cid)
        })
    }

    /// The full name of a function; `at` are the places of the module and of the name.
    pub(crate) fn asks(&mut self, module: &Cid, function: &str) -> bool {
        self.sources.asks(module, function)
    }

    pub(crate) fn function(
        &mut self,
        report: &mut Report<'_>,
        at: (At, At),
        module: Cid,
        name: &str,
    ) -> Option<String> {
        let sources = &mut *self.sources;
        once(
            &mut self.functions,
            (module, name.to_owned()),
            || match sources.function(&module, name) {
                Ok(full) => Some(full),
                Err(FunctionError::Module(e)) => {
                    report.add(at.0, e.into());
                    None
                }
                Err(FunctionError::Unknown { candidates }) => {
                    let similar = similar::nearest(name, candidates.iter().map(String::as_str))
                        .map(str::to_owned);
                    report.add(
                        at.1,
                        Problem::UnknownFunction {
                            name: name.to_owned(),
                            candidates,
                            similar,
                        },
                    );
                    None
                }
                Err(FunctionError::Ambiguous { candidates }) => {
                    report.add(
                        at.1,
                        Problem::AmbiguousFunction {
                            name: name.to_owned(),
                            candidates,
                        },
                    );
                    None
                }
            },
        )
    }

    pub(crate) fn check_args(
        &mut self,
        module: &Cid,
        function: &str,
        args: &[Ipld],
    ) -> Result<(), ArgError> {
        self.sources.check_args(module, function, args)
    }

    pub(crate) fn subject(&mut self, report: &mut Report<'_>, at: At, name: &str) -> Option<Did> {
        let sources = &mut *self.sources;
        once(&mut self.subjects, name.to_owned(), || {
            told(report, at, sources.subject(name))
        })
    }
}

/// The remembered answer, or a new one to remember.
fn once<K: Eq + Hash, V: Clone>(
    known: &mut HashMap<K, Option<V>>,
    key: K,
    ask: impl FnOnce() -> Option<V>,
) -> Option<V> {
    known.entry(key).or_insert_with(ask).clone()
}

fn told<T>(report: &mut Report<'_>, at: At, answer: Result<T, SourceError>) -> Option<T> {
    answer.map_err(|e| report.add(at, e.into())).ok()
}
