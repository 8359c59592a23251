//! Workflows: steps by label, and their canonical form in chunks (wire-formats, "Workflow").

use crate::config::Config;
use crate::graph::{Graph, GraphError};
use crate::task::{Task, step_nonce};
use crate::wire::{self, WireError};
use ipvm_ipld::fields::{self, FieldError, Fields};
use ipvm_ipld::{Block, BlockError, Cid, Ipld, Limits, MAX_BLOCK_BYTES, MAX_DEPTH, cbor};
use ipvm_ucan::Did;
use ipvm_ucan::promise::{self, Await};
use std::collections::{BTreeMap, HashMap};

/// The version of the wire format.
pub const VERSION: &str = "0.2.0";
/// Most steps in a workflow.
pub const MAX_TASKS: usize = 100_000;
/// Most steps in a chunk.
pub const CHUNK_STEPS: usize = 1_000;
/// Largest chunk of more than one step, in bytes (what IPFS tools exchange at most); a larger one is halved.
pub const CHUNK_BYTES: usize = 2 << 20;
/// The label of a task that somebody asked for by itself, if it is not pure.
pub const ASKED: &str = "task";
/// Longest label, in bytes.
pub const MAX_LABEL_BYTES: usize = 256;
/// Largest task, in bytes of DAG-CBOR.
pub const MAX_TASK_BYTES: usize = 1 << 20;
/// Deepest nesting of a task's arguments, in levels: chunks and invocations put others around them.
pub const MAX_ARGS_DEPTH: usize = MAX_DEPTH - 16;
/// Largest workflow, in bytes of all its chunks together.
pub const MAX_WORKFLOW_BYTES: usize = 256 << 20;
/// Largest root block of a workflow, in bytes.
pub const MAX_ROOT_BYTES: usize = 1 << 20;
/// Most roles.
pub const MAX_ROLES: usize = 1_000;
/// Longest nonce of a workflow that is read, in bytes.
pub const MAX_NONCE_BYTES: usize = 64;

/// A function that turns a failure into something else (pure).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handler {
    /// Its module.
    pub module: Cid,
    /// Its full name.
    pub function: String,
}

/// A task and what the workflow says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The task.
    pub task: Task,
    /// Its own limits and terms.
    pub config: Option<Config>,
    /// What happens if it fails.
    pub rescue: Option<Handler>,
    /// What undoes it, if the whole fails later.
    pub undo: Option<Task>,
}

/// A workflow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workflow {
    /// Empty if every task is pure, else drawn for each run.
    pub nonce: Vec<u8>,
    /// Anything people or tools want to say about it; `name` is a text.
    pub meta: Option<BTreeMap<String, Ipld>>,
    /// The workflow and label that this one is a part of.
    pub parent: Option<(Cid, String)>,
    /// What a guest may call a subject.
    pub roles: Option<BTreeMap<String, Did>>,
    /// Limits for the whole.
    pub global: Option<Config>,
    /// Limits and terms for steps that have none of their own.
    pub defaults: Option<Config>,
    /// The steps by label.
    pub steps: BTreeMap<String, Step>,
    /// For every step without one.
    pub rescue: Option<Handler>,
}

/// A workflow's blocks. Its CID is that of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The workflow itself.
    pub root: Block,
    /// Its steps, in the order of their labels.
    pub chunks: Vec<Block>,
}

/// Why something is not a workflow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkflowError {
    /// A field is wrong.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A step is wrong.
    #[error("step {label:?}: {source}")]
    Step {
        /// The step.
        label: String,
        /// What is wrong with it.
        source: WireError,
    },
    /// There are no steps, or too many.
    #[error("a workflow has 1 to {MAX_TASKS} steps, and this has {steps}")]
    Steps {
        /// How many.
        steps: usize,
    },
    /// A chunk has no steps, or too many.
    #[error("a chunk has 1 to {CHUNK_STEPS} steps, and {chunk} has {steps}")]
    Chunk {
        /// The chunk.
        chunk: Cid,
        /// How many.
        steps: usize,
    },
    /// Labels are not in byte order over all chunks.
    #[error("the label {label:?} is not after all labels of the chunks before")]
    Order {
        /// The label.
        label: String,
    },
    /// More bytes than a workflow may have.
    #[error("{what} has {bytes} bytes or more, over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// How large.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A value has no encoding.
    #[error(transparent)]
    Encode(#[from] cbor::EncodeError),
    /// A block is not canonical DAG-CBOR.
    #[error(transparent)]
    Decode(#[from] cbor::DecodeError),
    /// A block is not the one that was named.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The awaits are wrong.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl From<FieldError> for WorkflowError {
    fn from(e: FieldError) -> Self {
        Self::Wire(e.into())
    }
}

/// Why a workflow could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError<E: std::error::Error + 'static> {
    /// It is not a workflow.
    #[error(transparent)]
    Workflow(Box<WorkflowError>),
    /// A chunk could not be had.
    #[error("the chunk {chunk} of the workflow could not be read: {source}")]
    Get {
        /// The chunk.
        chunk: Cid,
        /// Why not.
        source: E,
    },
}

impl<E: std::error::Error + 'static> From<WorkflowError> for DecodeError<E> {
    fn from(e: WorkflowError) -> Self {
        Self::Workflow(Box::new(e))
    }
}

impl Workflow {
    /// Whether every task is pure, those that undo others included.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        self.tasks().all(Task::is_pure)
    }

    fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.steps
            .values()
            .flat_map(|step| std::iter::once(&step.task).chain(&step.undo))
    }

    /// The workflow's blocks, in the one canonical form.
    ///
    /// # Errors
    /// If it is over a limit, its nonces are not those that follow from its labels, or a value has no encoding.
    pub fn encode(&self) -> Result<Encoded, WorkflowError> {
        self.check()?;
        self.blocks()
    }

    fn blocks(&self) -> Result<Encoded, WorkflowError> {
        let steps: Vec<(&String, &Step)> = self.steps.iter().collect();
        let mut chunks = Vec::new();
        for part in steps.chunks(CHUNK_STEPS) {
            chunk(part, &mut chunks)?;
        }
        let bytes = chunks.iter().map(|chunk| chunk.data().len()).sum();
        within("the workflow", bytes, MAX_WORKFLOW_BYTES)?;
        let root = self.root_block(&chunks)?;
        Ok(Encoded { root, chunks })
    }

    /// The root block of a workflow whose steps are in these chunks.
    pub(crate) fn root_block(&self, chunks: &[Block]) -> Result<Block, WorkflowError> {
        let links = chunks.iter().map(|chunk| Ipld::Link(*chunk.cid()));
        let root = cbor::encode_block(&self.root(Ipld::List(links.collect())))?;
        within(
            "the root block of the workflow",
            root.data().len(),
            MAX_ROOT_BYTES,
        )?;
        Ok(root)
    }

    fn root(&self, tasks: Ipld) -> Ipld {
        let parent = |(workflow, label): &(Cid, String)| {
            Ipld::List(vec![Ipld::Link(*workflow), Ipld::String(label.clone())])
        };
        let roles = |roles: &BTreeMap<String, Did>| {
            Ipld::Map(
                roles
                    .iter()
                    .map(|(role, did)| (role.clone(), Ipld::String(did.to_string())))
                    .collect(),
            )
        };
        wire::map([
            ("v", Some(Ipld::String(VERSION.into()))),
            ("nonce", Some(Ipld::Bytes(self.nonce.clone()))),
            ("meta", self.meta.clone().map(Ipld::Map)),
            ("parent", self.parent.as_ref().map(parent)),
            ("roles", self.roles.as_ref().map(roles)),
            ("global", self.global.as_ref().map(Config::to_ipld)),
            ("defaults", self.defaults.as_ref().map(Config::to_ipld)),
            ("tasks", Some(tasks)),
            ("rescue", self.rescue.as_ref().map(Handler::to_ipld)),
        ])
    }

    /// Reads a workflow from its root block; `get` gives the bytes of a chunk, which are checked against its CID.
    ///
    /// # Errors
    /// If it is not a workflow in canonical DAG-CBOR with exactly the keys of the format, or over a limit, or
    /// a nonce is not the one that follows from the label; or an error of `get`.
    pub fn decode<E: std::error::Error>(
        root: &[u8],
        get: &mut dyn FnMut(&Cid) -> Result<Vec<u8>, E>,
    ) -> Result<Self, DecodeError<E>> {
        let mut steps = BTreeMap::new();
        let head = decode_steps(root, get, &mut |_, item| {
            if let Item::Step(label, step) = item {
                steps.insert(label, *step);
            }
            Ok(())
        })?;
        Ok(Self { steps, ..head })
    }

    /// All but the steps, and the links to their chunks.
    fn decode_root(root: &[u8]) -> Result<(Self, Vec<Cid>), WorkflowError> {
        let value = cbor::decode(
            root,
            Limits {
                bytes: MAX_ROOT_BYTES,
                depth: MAX_DEPTH,
            },
        )?;
        let mut map = Fields::new(value, "workflow")?;
        let version = map.get("v", fields::as_string)?;
        if version != VERSION {
            let reason =
                format!("the version {version:?} is not {VERSION:?}, the one that is read here");
            return Err(WireError::value("workflow.v", reason).into());
        }
        let config = |value: Option<Ipld>, what: &str| {
            value
                .map(Config::from_ipld)
                .transpose()
                .map_err(|e| e.within(what))
        };
        let workflow = Self {
            nonce: map.get("nonce", fields::as_bytes)?,
            meta: map.get_optional("meta", fields::as_map)?,
            parent: map.optional("parent").map(parent).transpose()?,
            roles: map.optional("roles").map(roles).transpose()?,
            global: config(map.optional("global"), "workflow.global")?,
            defaults: config(map.optional("defaults"), "workflow.defaults")?,
            rescue: map.optional("rescue").map(Handler::from_ipld).transpose()?,
            steps: BTreeMap::new(),
        };
        let links = map.get("tasks", fields::as_links)?;
        map.finish()?;
        Ok((workflow, links))
    }

    /// What holds for every workflow, read or to be written.
    pub(crate) fn check(&self) -> Result<(), WorkflowError> {
        self.check_head(self.steps.len(), self.is_pure())?;
        self.steps
            .iter()
            .try_for_each(|(label, step)| self.check_labelled(label, step))
    }

    /// The same but for the steps themselves: there are so many, and they are pure or not.
    pub(crate) fn check_head(&self, steps: usize, is_pure: bool) -> Result<(), WorkflowError> {
        if steps == 0 || steps > MAX_TASKS {
            return Err(WorkflowError::Steps { steps });
        }
        // Functions may ask for effects, so a workflow of functions alone may need a nonce as well.
        if !is_pure && self.nonce.is_empty() || self.nonce.len() > MAX_NONCE_BYTES {
            let reason = format!(
                "must be 1 to {MAX_NONCE_BYTES} bytes that were drawn for this run, or empty if every task is pure"
            );
            return Err(WireError::value("workflow.nonce", reason).into());
        }
        let roles = self.roles.as_ref().map_or(0, BTreeMap::len);
        if roles > MAX_ROLES {
            return Err(
                WireError::value("workflow.roles", format!("more than {MAX_ROLES}")).into(),
            );
        }
        Ok(())
    }

    fn check_labelled(&self, label: &str, step: &Step) -> Result<(), WorkflowError> {
        self.check_step(label, step)
            .map_err(|source| WorkflowError::Step {
                label: label.to_owned(),
                source,
            })
    }

    fn check_step(&self, label: &str, step: &Step) -> Result<(), WireError> {
        if label.is_empty() || label.len() > MAX_LABEL_BYTES {
            return Err(WireError::value(
                "label",
                format!("must have 1 to {MAX_LABEL_BYTES} bytes"),
            ));
        }
        for task in std::iter::once(&step.task).chain(&step.undo) {
            let expected = if task.is_pure() {
                Vec::new()
            } else {
                step_nonce(&self.nonce, label)
            };
            // A task that somebody asked for by itself brings its own nonce, which is then the workflow's too.
            let asked = !task.is_pure() && label == ASKED && task.nonce == self.nonce;
            if task.nonce != expected && !asked {
                let reason = "must be empty if pure, else the first 16 bytes of sha2-256(workflow nonce ‖ label)";
                return Err(WireError::value("task.nonce", reason));
            }
        }
        Ok(())
    }

    /// The same work under another nonce: every task that is not pure gets its nonce anew, and promises name
    /// the new tasks. A workflow without a nonce stays as it is.
    ///
    /// # Errors
    /// If an await is malformed or a task has no encoding.
    pub fn with_nonce(&self, nonce: &[u8]) -> Result<Self, WorkflowError> {
        if self.nonce.is_empty() {
            return Ok(self.clone());
        }
        let graph = Graph::of(self)?;
        let steps: Vec<(&String, &Step)> = self.steps.iter().collect();
        let mut renamed: HashMap<Cid, Cid> = HashMap::with_capacity(steps.len());
        let mut workflow = Self {
            nonce: nonce.to_vec(),
            steps: BTreeMap::new(),
            ..self.clone()
        };
        for index in graph.order() {
            let (Some((label, step)), Some(old)) = (steps.get(index as usize), graph.task(index))
            else {
                continue;
            };
            let task = relink(&step.task, label, nonce, &renamed);
            renamed.insert(old, task.cid()?);
            workflow.steps.insert(
                (*label).clone(),
                Step {
                    task,
                    ..(*step).clone()
                },
            );
        }
        // Only now are all tasks known, and a task may be undone with what others give.
        for (label, step) in &mut workflow.steps {
            step.undo = step
                .undo
                .as_ref()
                .map(|undo| relink(undo, label, nonce, &renamed));
        }
        Ok(workflow)
    }

    /// What names the work whatever nonce a run of it has: the CID that the workflow would have without one.
    /// An unfinished run is found again by it.
    ///
    /// # Errors
    /// As [`Workflow::with_nonce`] and [`Workflow::encode`].
    pub fn identity(&self) -> Result<Cid, WorkflowError> {
        Ok(*self.with_nonce(&[])?.blocks()?.root.cid())
    }
}

/// What is found in a workflow that is being read.
pub(crate) enum Item {
    /// A step and its label.
    Step(String, Box<Step>),
    /// The steps since the last end are a chunk.
    ChunkEnd,
}

/// Told of each item of a workflow that is being read; the workflow has no steps.
type AddItem<'a> = dyn FnMut(&Workflow, Item) -> Result<(), WorkflowError> + 'a;

/// Reads a workflow, and gives its steps away one by one, in the order of their labels. Returns all but the steps.
pub(crate) fn decode_steps<E: std::error::Error>(
    root: &[u8],
    get: &mut dyn FnMut(&Cid) -> Result<Vec<u8>, E>,
    add: &mut AddItem<'_>,
) -> Result<Workflow, DecodeError<E>> {
    let (head, links) = Workflow::decode_root(root)?;
    let mut seen = Seen::default();
    let mut bytes = 0;
    for link in links {
        let data = get(&link).map_err(|source| DecodeError::Get {
            chunk: link,
            source,
        })?;
        bytes += data.len();
        within("the workflow", bytes, MAX_WORKFLOW_BYTES)?;
        seen.chunk(&head, link, data, add)?;
    }
    head.check_head(seen.steps, seen.impure == 0)?;
    Ok(head)
}

/// The steps of a workflow that have been read.
#[derive(Default)]
struct Seen {
    steps: usize,
    impure: usize,
    last: Option<String>,
}

impl Seen {
    fn chunk(
        &mut self,
        head: &Workflow,
        link: Cid,
        data: Vec<u8>,
        add: &mut AddItem<'_>,
    ) -> Result<(), WorkflowError> {
        let block = Block::verify(link, data)?;
        let limits = Limits {
            bytes: MAX_BLOCK_BYTES,
            depth: MAX_DEPTH,
        };
        let chunk = fields::as_map(cbor::decode(block.data(), limits)?, "chunk")?;
        if chunk.is_empty() || chunk.len() > CHUNK_STEPS {
            return Err(WorkflowError::Chunk {
                chunk: link,
                steps: chunk.len(),
            });
        }
        self.steps += chunk.len();
        if self.steps > MAX_TASKS {
            return Err(WorkflowError::Steps { steps: self.steps });
        }
        let first = chunk.first_key_value().map(|(label, _)| label);
        if let (Some(last), Some(first)) = (&self.last, first)
            && last >= first
        {
            return Err(WorkflowError::Order {
                label: first.clone(),
            });
        }
        self.last = chunk.last_key_value().map(|(label, _)| label.clone());
        for (label, step) in chunk {
            let step = Step::from_ipld(step);
            let step = step.map_err(|source| WorkflowError::Step {
                label: label.clone(),
                source,
            })?;
            let mut tasks = std::iter::once(&step.task).chain(&step.undo);
            if !tasks.all(Task::is_pure) {
                self.impure += 1;
                head.check_head(self.steps, false)?;
            }
            head.check_labelled(&label, &step)?;
            add(head, Item::Step(label, Box::new(step)))?;
        }
        add(head, Item::ChunkEnd)
    }
}

/// A task with a nonce made anew, and promises of renamed tasks put right.
fn relink(task: &Task, label: &str, nonce: &[u8], renamed: &HashMap<Cid, Cid>) -> Task {
    let mut lookup = |promise: &Await| -> Result<Ipld, std::convert::Infallible> {
        let task = renamed.get(&promise.task).copied().unwrap_or(promise.task);
        Ok(Await { task, ..*promise }.to_ipld())
    };
    let relinked = |(name, value): (&String, &Ipld)| {
        let Ok(value) = promise::resolve(value, &mut lookup);
        (name.clone(), value)
    };
    let args = task.args.iter().map(relinked).collect();
    let nonce = if task.is_pure() {
        Vec::new()
    } else {
        step_nonce(nonce, label)
    };
    Task {
        args,
        nonce,
        ..task.clone()
    }
}

/// Adds the chunks of some steps: one, or two halves if it would be too large.
fn chunk(steps: &[(&String, &Step)], chunks: &mut Vec<Block>) -> Result<(), WorkflowError> {
    let entry = |(label, step): &(&String, &Step)| ((*label).clone(), step.to_ipld());
    let block = cbor::encode_block(&Ipld::Map(steps.iter().map(entry).collect()))?;
    if block.data().len() <= CHUNK_BYTES {
        chunks.push(block);
        return Ok(());
    }
    if let [(label, _)] = steps {
        within(
            &format!("step {label:?}"),
            block.data().len(),
            MAX_BLOCK_BYTES,
        )?;
        chunks.push(block);
        return Ok(());
    }
    let (first, second) = steps.split_at(steps.len() / 2);
    chunk(first, chunks)?;
    chunk(second, chunks)
}

pub(crate) fn within(what: &str, bytes: usize, limit: usize) -> Result<(), WorkflowError> {
    if bytes <= limit {
        return Ok(());
    }
    Err(WorkflowError::TooLarge {
        what: what.to_owned(),
        bytes,
        limit,
    })
}

impl Step {
    fn to_ipld(&self) -> Ipld {
        wire::map([
            ("task", Some(self.task.to_ipld())),
            ("config", self.config.as_ref().map(Config::to_ipld)),
            ("rescue", self.rescue.as_ref().map(Handler::to_ipld)),
            ("undo", self.undo.as_ref().map(Task::to_ipld)),
        ])
    }

    pub(crate) fn from_ipld(value: Ipld) -> Result<Self, WireError> {
        let mut map = Fields::new(value, "step")?;
        let step = Self {
            task: Task::from_ipld(map.required("task")?)?,
            config: map.optional("config").map(Config::from_ipld).transpose()?,
            rescue: map.optional("rescue").map(Handler::from_ipld).transpose()?,
            undo: map
                .optional("undo")
                .map(Task::from_ipld)
                .transpose()
                .map_err(|e| e.within("undo"))?,
        };
        map.finish()?;
        Ok(step)
    }
}

impl Handler {
    pub(crate) fn to_ipld(&self) -> Ipld {
        wire::map([
            ("mod", Some(Ipld::Link(self.module))),
            ("fun", Some(Ipld::String(self.function.clone()))),
        ])
    }

    fn from_ipld(value: Ipld) -> Result<Self, WireError> {
        let mut map = Fields::new(value, "rescue")?;
        let handler = Self {
            module: map.get("mod", fields::as_link)?,
            function: map.get("fun", fields::as_string)?,
        };
        map.finish()?;
        Ok(handler)
    }
}

fn parent(value: Ipld) -> Result<(Cid, String), WireError> {
    let mut items = fields::as_list(value, "workflow.parent")?.into_iter();
    match (items.next(), items.next(), items.next()) {
        (Some(workflow), Some(label), None) => Ok((
            fields::as_link(workflow, "workflow.parent[0]")?,
            fields::as_string(label, "workflow.parent[1]")?,
        )),
        _ => Err(WireError::value(
            "workflow.parent",
            "must be a workflow and a label",
        )),
    }
}

fn roles(value: Ipld) -> Result<BTreeMap<String, Did>, WireError> {
    let role = |(role, did): (String, Ipld)| {
        let did = wire::did(did, &format!("workflow.roles.{role}"))?;
        Ok((role, did))
    };
    fields::as_map(value, "workflow.roles")?
        .into_iter()
        .map(role)
        .collect()
}
