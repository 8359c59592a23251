//! From what a user has, a file or a function and arguments, to a workflow that can be run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipvm_ipld::{Cid, Ipld};
use ipvm_wasm::Interface;
use ipvm_workflow::author::{self, Output};
use ipvm_workflow::{Class, Config, Graph, Step, Task, WASM_RUN, WasmCall, Workflow, class_of};

use crate::arguments::{explain, parse_argument};
use crate::error::PrepareError;
use crate::home::fill_random;
use crate::sources::NodeSources;
use crate::{Node, NodeError};

/// A workflow file to be run.
#[derive(Clone, Debug, Default)]
pub struct FileRequest {
    /// The file.
    pub file: PathBuf,
    /// Parameters set by the user: key and value as typed.
    pub set: Vec<(String, String)>,
    /// Folders, besides the file's own, that it may read.
    pub allow: Vec<PathBuf>,
}

/// A single function to be called.
#[derive(Clone, Debug, Default)]
pub struct CallRequest {
    /// Path or CID of the module.
    pub module: String,
    /// Name of the function, short if unique.
    pub function: String,
    /// Arguments as typed: DAG-JSON, a bare word where text is expected, or `@path`.
    pub args: Vec<String>,
}

/// A label of a file and the steps it stands for: several if it has `each`.
#[derive(Clone, Debug)]
pub struct Group {
    /// The label as written.
    pub label: String,
    /// The steps, in item order.
    pub members: Vec<u32>,
}

/// A workflow, checked and on record, that can be run.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Its name: the file's `name`, else the file's stem; or the function's name.
    pub name: String,
    /// The workflow.
    pub workflow: Workflow,
    /// Its CID.
    pub cid: Cid,
    /// Labels by step index: byte order.
    pub labels: Vec<String>,
    /// Labels as written, in the order of the file.
    pub groups: Vec<Group>,
    /// Which results become files.
    pub outputs: Vec<Output>,
    /// What was read from this machine: path as written, content.
    pub inputs: BTreeMap<String, Cid>,
    pub(crate) graph: Graph,
    pub(crate) encoded: ipvm_workflow::Encoded,
}

impl Prepared {
    /// The step at `index`, in byte order of labels.
    pub fn step(&self, index: u32) -> Option<(&str, &Step)> {
        let label = self.labels.get(index as usize)?;
        Some((label, self.workflow.steps.get(label)?))
    }

    /// The Task CID of the step at `index`.
    pub fn task(&self, index: u32) -> Option<Cid> {
        self.graph.task(index).copied()
    }

    /// The class of the command of the step at `index`.
    pub fn class(&self, index: u32) -> Class {
        let class = self
            .step(index)
            .and_then(|(_, step)| class_of(&step.task.cmd));
        class.unwrap_or(Class::Mutation)
    }
}

impl Node {
    /// Reads, checks and compiles a workflow file; adds the files it names to the store.
    ///
    /// # Errors
    /// Everything wrong with the file, each with its place and a remedy.
    pub fn prepare(&self, request: &FileRequest) -> Result<Prepared, PrepareError> {
        let bytes = read_limited(&request.file, author::MAX_FILE_BYTES)?;
        let invalid = |diagnostics, text: &[u8]| PrepareError::Invalid {
            file: request.file.clone(),
            text: String::from_utf8_lossy(text).into_owned(),
            diagnostics,
        };
        let document = author::parse(&bytes).map_err(|found| invalid(found, &bytes))?;
        let mut nonce = [0; ipvm_workflow::NONCE_BYTES];
        fill_random(&mut nonce)?;
        let sets = request.set.iter();
        let settings = author::Settings {
            owner: self.owner().clone(),
            nonce,
            sets: sets
                .map(|(key, value)| author::Set {
                    key: key.clone(),
                    value: value.clone(),
                })
                .collect(),
        };
        let folder = match request.file.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let mut sources = NodeSources::new(self, folder, &request.allow)?;
        let compiled = author::compile(document, &settings, &mut sources)
            .map_err(|found| invalid(found, &bytes))?;
        let stem = request
            .file
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let name = compiled
            .name
            .or(stem)
            .unwrap_or_else(|| "workflow".to_owned());
        let groups = compiled.labels.into_iter();
        let groups = groups.map(|label| Group {
            label: label.name,
            members: label.steps,
        });
        Ok(Prepared {
            name,
            encoded: compiled.workflow.encode()?,
            labels: compiled.workflow.steps.keys().cloned().collect(),
            groups: groups.collect(),
            outputs: compiled.outputs,
            inputs: compiled
                .sources
                .into_iter()
                .map(|((_, path), cid)| (path, cid))
                .collect(),
            graph: compiled.graph,
            cid: Cid::default(),
            workflow: compiled.workflow,
        }
        .sealed())
    }

    /// Makes a workflow of one step out of a function and its arguments.
    ///
    /// # Errors
    /// The module or function is unknown, or an argument does not fit its parameter.
    pub fn prepare_call(&self, request: &CallRequest) -> Result<Prepared, PrepareError> {
        let (module, interface) = self.interface(&request.module)?;
        let function = interface.find(&request.function)?;
        let expected = function.params.len();
        if request.args.len() != expected {
            return Err(PrepareError::ArgumentCount {
                function: function.to_string(),
                expected,
                given: request.args.len(),
            });
        }
        let mut inputs = BTreeMap::new();
        let mut args = Vec::with_capacity(expected);
        for (text, (name, ty)) in request.args.iter().zip(&function.params) {
            let value = match text.strip_prefix('@') {
                Some(path) => {
                    let added = self.add(Path::new(path), &mut |_| ())?;
                    inputs.insert(path.to_owned(), added.cid);
                    Ipld::Link(added.cid)
                }
                None => parse_argument(text, ty).map_err(|message| PrepareError::Argument {
                    name: name.clone(),
                    ty: ty.to_string(),
                    message,
                })?,
            };
            args.push(value);
        }
        function
            .check(&args)
            .map_err(|error| PrepareError::Mismatch {
                function: function.to_string(),
                message: explain(&error, &function.params),
            })?;
        let label = function.short_name().to_owned();
        let task = Task {
            sub: self.owner().clone(),
            cmd: WASM_RUN.parse().map_err(NodeError::from)?,
            args: WasmCall {
                module,
                function: function.name.clone(),
                args,
            }
            .into_args(),
            nonce: Vec::new(),
        };
        single(label, task, inputs)
    }

    /// The functions of a module given as a path or a CID.
    ///
    /// # Errors
    /// The module cannot be read or is not a component.
    pub fn interface(&self, module: &str) -> Result<(Cid, Arc<Interface>), PrepareError> {
        let cid = match ipvm_ipld::parse_cid(module) {
            Ok(cid) => cid,
            Err(_) => self.add(Path::new(module), &mut |_| ())?.cid,
        };
        Ok((cid, self.interface_by_cid(&cid)?))
    }
}

impl Prepared {
    fn sealed(mut self) -> Self {
        self.cid = *self.encoded.root.cid();
        self
    }

    /// The prepared form of a workflow that is on record, for showing and checking it.
    pub(crate) fn of_workflow(name: String, workflow: Workflow) -> Result<Self, NodeError> {
        let labels: Vec<String> = workflow.steps.keys().cloned().collect();
        let groups = (0..)
            .zip(&labels)
            .map(|(index, label)| Group {
                label: label.clone(),
                members: vec![index],
            })
            .collect();
        Ok(Self {
            name,
            encoded: workflow.encode()?,
            graph: Graph::of(&workflow)?,
            labels,
            groups,
            outputs: Vec::new(),
            inputs: BTreeMap::new(),
            cid: Cid::default(),
            workflow,
        }
        .sealed())
    }
}

fn single(
    label: String,
    task: Task,
    inputs: BTreeMap<String, Cid>,
) -> Result<Prepared, PrepareError> {
    let step = Step {
        task,
        config: None::<Config>,
        rescue: None,
        undo: None,
    };
    let workflow = Workflow {
        nonce: Vec::new(),
        meta: None,
        parent: None,
        roles: None,
        global: None,
        defaults: None,
        steps: BTreeMap::from([(label.clone(), step)]),
        rescue: None,
    };
    let mut prepared = Prepared::of_workflow(label, workflow)?;
    prepared.inputs = inputs;
    Ok(prepared)
}

fn read_limited(path: &Path, max: u64) -> Result<Vec<u8>, PrepareError> {
    let unreadable = |source| PrepareError::File {
        path: path.to_path_buf(),
        source,
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > max {
        return Err(PrepareError::TooLarge {
            path: path.to_path_buf(),
            bytes: metadata.len(),
            max,
        });
    }
    fs::read(path).map_err(unreadable)
}
