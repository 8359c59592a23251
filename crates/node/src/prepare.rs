//! From what a user has, a file or a function and arguments, to a workflow that can be run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipvm_ipld::{Cid, Ipld, Limits, cbor};
use ipvm_store::RunStatus;
use ipvm_wasm::{Interface, Type};
use ipvm_workflow::author::{self, Output};
use ipvm_workflow::{Config, NONCE_BYTES, Plan, Secrecy, Step, Task, WASM_RUN, WasmCall, Workflow};

use crate::add::hash_file;
use crate::arguments::{explain, parse_argument};
use crate::error::PrepareError;
use crate::home::fill_random;
use crate::secret::Secret;
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
    /// Whether a new run is wanted, with effects of its own, although an equal one is on record.
    pub again: bool,
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

/// A workflow, checked, that can be run. Copies share the workflow itself.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Its name: the file's `name`, else the file's stem; or the function's name.
    pub name: String,
    /// The workflow: its steps, by index in the byte order of their labels, and who awaits whom.
    pub plan: Arc<Plan>,
    /// Labels as written, in the order of the file.
    pub groups: Vec<Group>,
    /// Which results become files.
    pub outputs: Vec<Output>,
    /// What was read from this machine: path as written, content.
    pub inputs: BTreeMap<String, Cid>,
    /// Which steps are secret, and what makes them so.
    pub secrecy: Arc<Secrecy>,
    /// Of a file with effects: what is equal for all its runs with the same inputs.
    pub recipe: Option<Cid>,
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
        let compile = |nonce: Nonce| -> Result<(author::Compiled, Secret), PrepareError> {
            let document = author::parse(&bytes).map_err(|found| invalid(found, &bytes))?;
            let settings = self.settings(request, nonce);
            // What may be secret must not be written before it is known whether it is.
            let hold = document.may_have_secrets()
                || self.store().has_sealed().map_err(NodeError::from)?;
            let folder = folder_of(&request.file);
            let mut sources = NodeSources::new(self, folder, &request.allow, hold)?;
            let compiled = author::compile(document, &settings, &mut sources)
                .map_err(|found| invalid(found, &bytes))?;
            let secret = self.secret_of(&compiled.plan)?;
            self.store_inputs(&sources.held(), &compiled.plan, &secret)?;
            Ok((compiled, secret))
        };
        // With a nonce that no run has: equal for all runs of the same file with the same inputs.
        let (mut compiled, mut secret) = compile([0; NONCE_BYTES])?;
        let mut recipe = None;
        if !compiled.plan.head().nonce.is_empty() {
            let name = compiled.plan.cid();
            let nonce = self.run_nonce(&compiled.plan, &secret, request.again)?;
            (compiled, secret) = compile(nonce)?;
            recipe = Some(name);
        }
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
            groups: groups.collect(),
            outputs: compiled.outputs,
            inputs: compiled
                .sources
                .into_iter()
                .map(|((_, path), cid)| (path, cid))
                .collect(),
            secrecy: Arc::new(secret.secrecy),
            plan: Arc::new(compiled.plan),
            recipe,
        })
    }

    fn settings(&self, request: &FileRequest, nonce: Nonce) -> author::Settings {
        let sets = request.set.iter();
        author::Settings {
            owner: self.owner().clone(),
            nonce,
            sets: sets
                .map(|(key, value)| author::Set {
                    key: key.clone(),
                    value: value.clone(),
                })
                .collect(),
        }
    }

    /// The nonce of the run that a file with effects asks for: that of its latest run while there is something left to do
    /// in it, or if it changed the world and no new run is asked for; else a new one. Of a run that changed the world and was
    /// dropped since, there is nothing left to show, and it is not done anew unasked.
    fn run_nonce(&self, recipe: &Plan, secret: &Secret, again: bool) -> Result<Nonce, NodeError> {
        let draw = || {
            let mut nonce = [0; NONCE_BYTES];
            fill_random(&mut nonce)?;
            Ok(nonce)
        };
        let name = self.kept_name(&recipe.cid(), secret)?;
        let latest = self.store().latest_of_recipe(&name)?;
        let has_run = latest.is_some();
        let latest = latest.map(|id| self.store().run(id)).transpose()?.flatten();
        let writes = (0..recipe.len() as u32).any(|step| recipe.class(step).writes());
        // What its functions ask for is known of a run alone.
        let asks = recipe.head().roles.is_some();
        if has_run && latest.is_none() && (writes || asks) && !again {
            return Err(NodeError::Name(
                "this file has been run with the same inputs, and `ipvm store gc` has dropped the record of what it did; \
                 to do all of it anew, run it with `--again`"
                    .into(),
            ));
        }
        if again
            && latest
                .as_ref()
                .is_some_and(|run| run.status == RunStatus::InDoubt)
        {
            return Err(NodeError::Name(
                "the last run is in doubt, and a new one would do anew what may have been done: settle it first; \
                 `ipvm workflow doubt list` shows what it is about"
                    .into(),
            ));
        }
        let Some(run) = latest.filter(|_| !again) else {
            return draw();
        };
        let is_over = matches!(run.status, RunStatus::Ok | RunStatus::Error);
        if is_over && !writes && !(asks && self.asked_to_write(run.id)?) {
            return draw();
        }
        let root = self.block_or_missing(&self.true_cid(&run.workflow)?)?;
        let nonce = cbor::entry(&root, "nonce").map(|nonce| cbor::decode(nonce, Limits::default()));
        let damaged = || NodeError::Internal(format!("run {} has no nonce", run.id));
        match nonce.transpose()? {
            Some(Ipld::Bytes(bytes)) => bytes.try_into().map_err(|_| damaged()),
            _ => Err(damaged()),
        }
    }

    /// Makes a workflow of one step out of a function and its arguments.
    ///
    /// # Errors
    /// The module or function is unknown, or an argument does not fit its parameter.
    pub fn prepare_call(&self, request: &CallRequest) -> Result<Prepared, PrepareError> {
        let (module, interface) = self.interface(&request.module)?;
        let function = interface.find(&request.function)?;
        if function.asks() {
            let message = format!(
                "{function} asks for effects, which a call binds to nobody; run it in a workflow with `roles:`"
            );
            return Err(NodeError::Name(message).into());
        }
        let expected = function.params.len();
        if request.args.len() != expected {
            return Err(PrepareError::ArgumentCount {
                function: function.to_string(),
                expected,
                given: request.args.len(),
            });
        }
        let CallArgs {
            values: args,
            inputs,
            held,
        } = self.call_args(request, &function.params)?;
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
        let mut prepared = single(label, task, None)?;
        prepared.inputs = inputs;
        let secret = self.secret_of(&prepared.plan)?;
        self.store_inputs(&held, &prepared.plan, &secret)?;
        prepared.secrecy = Arc::new(secret.secrecy);
        Ok(prepared)
    }

    /// Reads the arguments of a call. One that is secret makes all of them inputs of secret work: where that may be, no
    /// file is written before it is known.
    fn call_args(
        &self,
        request: &CallRequest,
        params: &[(String, Type)],
    ) -> Result<CallArgs, PrepareError> {
        let hold = self.store().has_sealed().map_err(NodeError::from)?;
        let mut read = CallArgs::default();
        for (text, (name, ty)) in request.args.iter().zip(params) {
            let value = match text.strip_prefix('@') {
                Some(path) => {
                    let cid = if hold {
                        let cid = hash_file(Path::new(path))?;
                        read.held.push((PathBuf::from(path), cid));
                        cid
                    } else {
                        self.add_input(Path::new(path))?
                    };
                    read.inputs.insert(path.to_owned(), cid);
                    Ipld::Link(cid)
                }
                None => parse_argument(text, ty).map_err(|message| PrepareError::Argument {
                    name: name.clone(),
                    ty: ty.to_string(),
                    message,
                })?,
            };
            read.values.push(value);
        }
        Ok(read)
    }

    /// The functions of a module given as a path or a CID.
    ///
    /// # Errors
    /// The module cannot be read or is not a component.
    pub fn interface(&self, module: &str) -> Result<(Cid, Arc<Interface>), PrepareError> {
        let cid = match ipvm_ipld::parse_cid(module) {
            Ok(cid) => cid,
            Err(_) => self.add_input(Path::new(module))?,
        };
        Ok((cid, self.interface_by_cid(&cid)?))
    }
}

/// The arguments of a call, read.
#[derive(Default)]
struct CallArgs {
    values: Vec<Ipld>,
    /// Files: path as written, content.
    inputs: BTreeMap<String, Cid>,
    /// Files that are still to be stored.
    held: Vec<(PathBuf, Cid)>,
}

impl Prepared {
    /// The prepared form of a workflow that is on record, for showing and checking it.
    pub(crate) fn of_plan(name: String, plan: Plan) -> Self {
        let groups = (0..).zip(plan.labels()).map(|(index, label)| Group {
            label: label.to_owned(),
            members: vec![index],
        });
        Self {
            name,
            groups: groups.collect(),
            outputs: Vec::new(),
            inputs: BTreeMap::new(),
            secrecy: Arc::default(),
            recipe: None,
            plan: Arc::new(plan),
        }
    }
}

/// A workflow of one task.
pub(crate) fn single(
    label: String,
    task: Task,
    config: Option<Config>,
) -> Result<Prepared, NodeError> {
    // Of an effect, the workflow is the same whoever asks for the task, and however often.
    let nonce = task.nonce.clone();
    let step = Step {
        task,
        config,
        rescue: None,
        undo: None,
    };
    let workflow = Workflow {
        nonce,
        meta: None,
        parent: None,
        roles: None,
        global: None,
        defaults: None,
        steps: BTreeMap::from([(label.clone(), step)]),
        rescue: None,
    };
    Ok(Prepared::of_plan(label, Plan::of(workflow)?))
}

type Nonce = [u8; NONCE_BYTES];

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
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
