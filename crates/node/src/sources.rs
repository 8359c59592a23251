//! Where a workflow file's paths, globs, modules and names are resolved: the edge between the
//! pure compiler of workflow files and this machine.
//!
//! Paths written in a file stay inside the folder the file is in, symbolic links resolved, unless
//! the user allows more folders. Paths typed on the command line start from the current folder
//! and are the user's own choice.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipvm_ipld::{Cid, Ipld};
use ipvm_ucan::Did;
use ipvm_wasm::{FindError, Interface};
use ipvm_workflow::author::{ArgError, Base, FunctionError, SourceError, Sources};

use crate::add::hash_file;
use crate::{Node, NodeError};

/// Largest file read as text, in bytes.
const MAX_TEXT: u64 = 1 << 20;
/// Most files one glob may match.
const MAX_MATCHES: usize = 100_000;

/// The sources of one workflow file.
pub(crate) struct NodeSources<'a> {
    node: &'a Node,
    /// The folder of the workflow file, canonical.
    folder: PathBuf,
    /// Folders the user allowed besides, canonical.
    allowed: Vec<PathBuf>,
    interfaces: HashMap<Cid, Arc<Interface>>,
    /// Files that are only hashed yet, where some of them may be secret; none if all are stored at once.
    held: Option<Vec<(PathBuf, Cid)>>,
}

impl<'a> NodeSources<'a> {
    /// `folder` must exist; `allow` are folders as the user typed them.
    /// With `hold`, files are not stored before the caller does it: [`NodeSources::held`].
    pub(crate) fn new(
        node: &'a Node,
        folder: &Path,
        allow: &[PathBuf],
        hold: bool,
    ) -> Result<Self, NodeError> {
        let canonical = |path: &Path| {
            fs::canonicalize(path).map_err(|source| NodeError::io("open the folder", path, source))
        };
        Ok(Self {
            node,
            folder: canonical(folder)?,
            allowed: allow
                .iter()
                .map(|path| canonical(path))
                .collect::<Result<_, _>>()?,
            interfaces: HashMap::new(),
            held: hold.then(Vec::new),
        })
    }

    /// The files that are still to be stored.
    pub(crate) fn held(self) -> Vec<(PathBuf, Cid)> {
        self.held.unwrap_or_default()
    }

    /// The real path behind `path`, if it may be read.
    fn locate(&self, path: &str, base: Base) -> Result<PathBuf, SourceError> {
        let start = match base {
            Base::File => self.folder.join(path),
            Base::CommandLine => PathBuf::from(path),
        };
        let real = fs::canonicalize(&start).map_err(|error| unreadable(&start, &error))?;
        match base {
            Base::CommandLine => Ok(real),
            Base::File => self.confine(path, real),
        }
    }

    fn confine(&self, written: &str, real: PathBuf) -> Result<PathBuf, SourceError> {
        if real.starts_with(&self.folder) || self.allowed.iter().any(|dir| real.starts_with(dir)) {
            return Ok(real);
        }
        let outside = real.parent().unwrap_or(&real).display().to_string();
        Err(SourceError {
            message: format!(
                "`{written}` leads out of the workflow's folder, to {}",
                real.display()
            ),
            help: format!("move it into the folder, or allow it with `--allow-path {outside}`"),
        })
    }

    fn interface_of(&mut self, module: &Cid) -> Result<Arc<Interface>, SourceError> {
        if let Some(interface) = self.interfaces.get(module) {
            return Ok(Arc::clone(interface));
        }
        let interface = self
            .node
            .interface_by_cid(module)
            .map_err(|error| SourceError {
                message: error.to_string(),
                help: error.help(),
            })?;
        self.interfaces.insert(*module, Arc::clone(&interface));
        Ok(interface)
    }
}

impl Sources for NodeSources<'_> {
    fn add_file(&mut self, path: &str, base: Base) -> Result<Cid, SourceError> {
        let real = self.locate(path, base)?;
        let refused = |error: NodeError| SourceError {
            message: error.to_string(),
            help: error.help(),
        };
        let Some(held) = &mut self.held else {
            return self.node.add_input(&real).map_err(refused);
        };
        let cid = hash_file(&real).map_err(refused)?;
        held.push((real, cid));
        Ok(cid)
    }

    fn read_text(&mut self, path: &str, base: Base) -> Result<String, SourceError> {
        let real = self.locate(path, base)?;
        let length = fs::metadata(&real)
            .map_err(|error| unreadable(&real, &error))?
            .len();
        if length > MAX_TEXT {
            return Err(SourceError {
                message: format!("`{path}` has {length} bytes; text may have {MAX_TEXT}"),
                help: "pass it as content with `{file: …}`".into(),
            });
        }
        let bytes = fs::read(&real).map_err(|error| unreadable(&real, &error))?;
        String::from_utf8(bytes).map_err(|error| SourceError {
            message: format!(
                "`{path}` is not UTF-8 text (byte {})",
                error.utf8_error().valid_up_to()
            ),
            help: "pass it as bytes with `{file: …}`".into(),
        })
    }

    fn glob(&mut self, pattern: &str, base: Base) -> Result<Vec<String>, SourceError> {
        let (root, full) = match base {
            Base::File => {
                let root = self.folder.clone();
                let escaped = glob::Pattern::escape(&root.to_string_lossy());
                (
                    Some(root),
                    format!("{escaped}/{}", pattern.trim_start_matches("./")),
                )
            }
            Base::CommandLine => (None, pattern.to_owned()),
        };
        let bad = |message: String| SourceError {
            message: format!("the pattern `{pattern}` is not one: {message}"),
            help: "use `*`, `?`, `[…]` and `**`, as in `./photos/*.jpg`".into(),
        };
        let matches = glob::glob(&full).map_err(|error| bad(error.to_string()))?;
        let mut paths = Vec::new();
        for entry in matches {
            let path = entry.map_err(|error| unreadable(error.path(), error.error()))?;
            if path.is_dir() {
                continue;
            }
            if paths.len() == MAX_MATCHES {
                return Err(bad(format!("it matches more than {MAX_MATCHES} files")));
            }
            let shown = match &root {
                Some(root) => path.strip_prefix(root).unwrap_or(&path),
                None => &path,
            };
            let text = shown.to_str().ok_or_else(|| SourceError {
                message: format!("the name {} is not UTF-8", shown.display()),
                help: "rename the file".into(),
            })?;
            paths.push(text.to_owned());
        }
        Ok(paths)
    }

    fn module(&mut self, path: &str) -> Result<Cid, SourceError> {
        let real = self.locate(path, Base::File)?;
        self.node.add_input(&real).map_err(|error| SourceError {
            message: error.to_string(),
            help: error.help(),
        })
    }

    fn function(&mut self, module: &Cid, name: &str) -> Result<String, FunctionError> {
        let interface = self.interface_of(module).map_err(FunctionError::Module)?;
        match interface.find(name) {
            Ok(function) => Ok(function.name.clone()),
            Err(FindError::Unknown { available, .. }) => Err(FunctionError::Unknown {
                candidates: available,
            }),
            Err(FindError::Ambiguous { candidates, .. }) => {
                Err(FunctionError::Ambiguous { candidates })
            }
        }
    }

    fn check_args(&mut self, module: &Cid, function: &str, args: &[Ipld]) -> Result<(), ArgError> {
        let whole = |message: String| ArgError {
            index: None,
            message,
            help: String::new(),
        };
        let interface = self
            .interface_of(module)
            .map_err(|error| whole(error.message))?;
        let function = interface
            .find(function)
            .map_err(|error| whole(error.to_string()))?;
        if args.len() != function.params.len() {
            return Err(ArgError {
                index: None,
                message: format!(
                    "{} arguments given, {} expected",
                    args.len(),
                    function.params.len()
                ),
                help: format!("the function is {function}"),
            });
        }
        function.check(args).map_err(|error| ArgError {
            index: Some(error.index),
            message: error.to_string(),
            help: format!("the function is {function}"),
        })
    }

    fn asks(&mut self, module: &Cid, function: &str) -> bool {
        let interface = self.interface_of(module);
        interface.is_ok_and(|interface| interface.find(function).is_ok_and(|found| found.asks()))
    }

    fn subject(&mut self, name: &str) -> Result<Did, SourceError> {
        self.node.principal(name).map_err(|error| SourceError {
            message: error.to_string(),
            help: "write the whole DID, as in `did:key:z6Mk…`, or a name of `ipvm name list`"
                .into(),
        })
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> SourceError {
    let help = match error.kind() {
        std::io::ErrorKind::NotFound => {
            "check the spelling; paths start from the folder of the workflow file"
        }
        std::io::ErrorKind::PermissionDenied => "give yourself the right to read it",
        _ => "check that it is a readable file",
    };
    SourceError {
        message: format!("cannot read {}: {error}", path.display()),
        help: help.into(),
    }
}
