//! A workflow in its encoded form, of which one step at a time is decoded: a decoded step takes about ten times the
//! memory of its encoding, and a run looks at each but once or twice.

use crate::class::{Class, class_of, makes_secret};
use crate::config::{Config, Limits as StepLimits};
use crate::graph::{self, Graph};
use crate::task::Task;
use crate::workflow::{
    self, CHUNK_BYTES, CHUNK_STEPS, DecodeError, Encoded, Handler, Item, MAX_WORKFLOW_BYTES, Step,
    Workflow, WorkflowError, within,
};
use ipvm_ipld::{Block, Cid, Ipld, Limits, MAX_BLOCK_BYTES, MAX_DEPTH, cbor, codec, fields};
use ipvm_ucan::promise::Await;
use ipvm_ucan::{Command, Did};
use std::collections::BTreeMap;

/// A workflow that can be run: its blocks, its labels and its graph. Steps are numbered by their labels in byte order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// All but the steps.
    head: Workflow,
    encoded: Encoded,
    labels: Labels,
    places: Vec<Place>,
    classes: Vec<Class>,
    /// Of the steps that say so themselves: whether they are secret.
    secret: BTreeMap<u32, bool>,
    /// The steps whose command makes them secret, ascending.
    gives_secret: Vec<u32>,
    graph: Graph,
}

/// Where the encoding of a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    chunk: u32,
    at: u32,
    bytes: u32,
}

/// A task whose arguments stay encoded.
#[derive(Clone, Debug)]
pub struct TaskParts<'a> {
    /// On whose resource, or for whom, the work is done.
    pub sub: Did,
    /// What is done.
    pub cmd: Command,
    /// As in [`Task::nonce`].
    pub nonce: Vec<u8>,
    /// With what: a map in canonical DAG-CBOR, promises unresolved.
    pub args: &'a [u8],
}

/// Labels in one piece of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Labels {
    text: String,
    /// Where each label ends.
    ends: Vec<u32>,
}

impl Labels {
    fn push(&mut self, label: &str) {
        self.text.push_str(label);
        self.ends
            .push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    fn get(&self, step: u32) -> Option<&str> {
        let step = step as usize;
        let end = *self.ends.get(step)? as usize;
        let start = step.checked_sub(1).and_then(|before| self.ends.get(before));
        self.text.get(start.map_or(0, |start| *start as usize)..end)
    }
}

/// A step whose task is encoded already.
pub(crate) struct EncodedStep {
    pub(crate) label: String,
    pub(crate) task: Box<[u8]>,
    pub(crate) cid: Cid,
    pub(crate) class: Class,
    /// Whether its command makes it secret.
    pub(crate) gives_secret: bool,
    pub(crate) awaits: Vec<Await>,
    pub(crate) config: Option<Config>,
    pub(crate) rescue: Option<Handler>,
    pub(crate) undo: Option<Task>,
}

impl EncodedStep {
    pub(crate) fn of(label: String, step: Step) -> Result<Self, WorkflowError> {
        let (cid, task) = graph::task_block(&label, &step)?.into_parts();
        Ok(Self {
            awaits: graph::awaits(&label, &step)?,
            class: class(&step.task),
            gives_secret: makes_secret(&step.task.cmd),
            task: task.into_boxed_slice(),
            cid,
            config: step.config,
            rescue: step.rescue,
            undo: step.undo,
            label,
        })
    }

    /// The step as it stands in a chunk.
    fn encode(&self) -> Result<Vec<u8>, WorkflowError> {
        let config = self
            .config
            .as_ref()
            .map(|config| cbor::encode(&config.to_ipld()));
        let rescue = self
            .rescue
            .as_ref()
            .map(|rescue| cbor::encode(&rescue.to_ipld()));
        let undo = self.undo.as_ref().map(|undo| cbor::encode(&undo.to_ipld()));
        let (config, rescue, undo) = (config.transpose()?, rescue.transpose()?, undo.transpose()?);
        let entries = [
            ("task", Some(&*self.task)),
            ("config", config.as_deref()),
            ("rescue", rescue.as_deref()),
            ("undo", undo.as_deref()),
        ];
        let present = entries
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        Ok(cbor::encode_map(&present.collect::<Vec<_>>()).0)
    }
}

/// What a command that is not known may do is taken to be the worst.
fn class(task: &Task) -> Class {
    class_of(&task.cmd).unwrap_or(Class::Mutation)
}

/// A plan that is being made: steps come in the order of their labels.
pub(crate) struct Builder {
    plan: Plan,
    graph: graph::Builder,
    /// Steps of the chunk that is being filled.
    waiting: Vec<(String, Vec<u8>)>,
    bytes: usize,
}

impl Builder {
    /// Begins with all but the steps.
    pub(crate) fn new(head: Workflow) -> Self {
        Self {
            plan: Plan {
                head,
                encoded: Encoded {
                    root: Block::new(codec::DAG_CBOR, Vec::new()),
                    chunks: Vec::new(),
                },
                labels: Labels::default(),
                places: Vec::new(),
                classes: Vec::new(),
                secret: BTreeMap::new(),
                gives_secret: Vec::new(),
                graph: Graph::default(),
            },
            graph: graph::Builder::default(),
            waiting: Vec::new(),
            bytes: 0,
        }
    }

    pub(crate) fn push(&mut self, step: EncodedStep) -> Result<(), WorkflowError> {
        self.graph.push(&step.label, &step.cid, &step.awaits)?;
        self.plan.labels.push(&step.label);
        let number = u32::try_from(self.plan.classes.len()).unwrap_or(u32::MAX);
        if let Some(secret) = step.config.as_ref().and_then(|config| config.secret) {
            self.plan.secret.insert(number, secret);
        }
        if step.gives_secret {
            self.plan.gives_secret.push(number);
        }
        self.plan.classes.push(step.class);
        let encoded = step.encode()?;
        self.waiting.push((step.label, encoded));
        if self.waiting.len() == CHUNK_STEPS {
            self.flush(CHUNK_BYTES)?;
        }
        Ok(())
    }

    /// Ends a chunk, which has at most this many bytes.
    fn flush(&mut self, most: usize) -> Result<(), WorkflowError> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        self.chunk(&waiting, most)
    }

    /// Adds the chunks of some steps: one, or two halves if it would be too large.
    fn chunk(&mut self, steps: &[(String, Vec<u8>)], most: usize) -> Result<(), WorkflowError> {
        let entries: Vec<(&str, &[u8])> = steps
            .iter()
            .map(|(label, bytes)| (label.as_str(), bytes.as_slice()))
            .collect();
        let (bytes, places) = cbor::encode_map(&entries);
        if bytes.len() > most {
            match steps {
                [(label, _)] => within(&format!("step {label:?}"), bytes.len(), MAX_BLOCK_BYTES)?,
                _ => {
                    let (first, second) = steps.split_at(steps.len() / 2);
                    self.chunk(first, most)?;
                    return self.chunk(second, most);
                }
            }
        }
        self.bytes += bytes.len();
        within("the workflow", self.bytes, MAX_WORKFLOW_BYTES)?;
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let chunk = small(self.plan.encoded.chunks.len());
        self.plan
            .places
            .extend(places.into_iter().map(|place| Place {
                chunk,
                at: small(place.start),
                bytes: small(place.len()),
            }));
        let block = Block::new(codec::DAG_CBOR, bytes);
        self.plan.encoded.chunks.push(block);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Plan, WorkflowError> {
        self.flush(CHUNK_BYTES)?;
        let mut plan = self.plan;
        plan.encoded.root = plan.head.root_block(&plan.encoded.chunks)?;
        plan.graph = self.graph.finish();
        Ok(plan)
    }
}

impl Plan {
    /// The plan of a workflow.
    ///
    /// # Errors
    /// As [`Workflow::encode`] and [`Graph::of`].
    pub fn of(mut workflow: Workflow) -> Result<Self, WorkflowError> {
        workflow.check()?;
        let steps = std::mem::take(&mut workflow.steps);
        let mut builder = Builder::new(workflow);
        for (label, step) in steps {
            builder.push(EncodedStep::of(label, step)?)?;
        }
        builder.finish()
    }

    /// Reads a workflow from its root block; `get` gives the bytes of a chunk.
    ///
    /// # Errors
    /// As [`Workflow::decode`] and [`Graph::of`].
    pub fn decode<E: std::error::Error>(
        root: &[u8],
        get: &mut dyn FnMut(&Cid) -> Result<Vec<u8>, E>,
    ) -> Result<Self, DecodeError<E>> {
        let mut builder: Option<Builder> = None;
        let mut add = |head: &Workflow, item: Item| {
            let builder = builder.get_or_insert_with(|| Builder::new(head.clone()));
            match item {
                Item::Step(label, step) => builder.push(EncodedStep::of(label, *step)?),
                // Others may cut chunks otherwise; these are the ones that the root names.
                Item::ChunkEnd => builder.flush(MAX_BLOCK_BYTES),
            }
        };
        let head = workflow::decode_steps(root, get, &mut add)?;
        let builder = builder.unwrap_or_else(|| Builder::new(head));
        Ok(builder.finish()?)
    }

    /// Number of steps.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are no steps; there is always one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The workflow's CID.
    #[must_use]
    pub fn cid(&self) -> Cid {
        *self.encoded.root.cid()
    }

    /// All but the steps.
    #[must_use]
    pub fn head(&self) -> &Workflow {
        &self.head
    }

    /// The workflow's blocks.
    #[must_use]
    pub fn encoded(&self) -> &Encoded {
        &self.encoded
    }

    /// Which step waits for which, and all Task CIDs.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The label of a step.
    #[must_use]
    pub fn label(&self, step: u32) -> Option<&str> {
        self.labels.get(step)
    }

    /// All labels, in byte order.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        (0..).map_while(|step| self.labels.get(step))
    }

    /// The step with a label.
    #[must_use]
    pub fn find(&self, label: &str) -> Option<u32> {
        let (mut low, mut high) = (0, u32::try_from(self.len()).unwrap_or(u32::MAX));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.labels.get(middle)?.cmp(label) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Of the steps that say so themselves: whether they are secret.
    pub(crate) fn says_secret(&self) -> &BTreeMap<u32, bool> {
        &self.secret
    }

    /// The steps whose command makes them secret, ascending.
    pub(crate) fn gives_secret(&self) -> &[u32] {
        &self.gives_secret
    }

    /// The class of a step's command; the worst, if it is not known.
    #[must_use]
    pub fn class(&self, step: u32) -> Class {
        let class = self.classes.get(step as usize);
        class.copied().unwrap_or(Class::Mutation)
    }

    /// Steps that read or compute from what a step before them did to the world, each with the first such step: queries are
    /// to come first, then what is pure, then what changes something. If one of them fails, what was done stays done.
    pub fn misplaced(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let steps = (0..self.classes.len() as u32).filter(|step| !self.class(*step).writes());
        steps.filter_map(|step| {
            let mut on = self.graph.deps(step).iter().copied();
            Some((step, on.find(|on| self.class(*on).writes())?))
        })
    }

    /// A step, decoded; none if there is no such step.
    #[must_use]
    pub fn step(&self, step: u32) -> Option<Step> {
        Step::from_ipld(decode(self.bytes(step)?)?).ok()
    }

    /// The task of a step, its arguments encoded: those of a task that gathers thousands of results take much memory.
    #[must_use]
    pub fn task(&self, step: u32) -> Option<TaskParts<'_>> {
        let task = cbor::entry(self.bytes(step)?, "task")?;
        let text = |key| fields::as_string(decode(cbor::entry(task, key)?)?, key).ok();
        Some(TaskParts {
            sub: text("sub")?.parse().ok()?,
            cmd: text("cmd")?.parse().ok()?,
            nonce: fields::as_bytes(decode(cbor::entry(task, "nonce")?)?, "nonce").ok()?,
            args: cbor::entry(task, "args")?,
        })
    }

    /// The limits under which a step runs.
    #[must_use]
    pub fn limits(&self, step: u32) -> StepLimits {
        let config = self
            .bytes(step)
            .and_then(|step| cbor::entry(step, "config"));
        let config = config.and_then(|config| Config::from_ipld(decode(config)?).ok());
        Config::cascade(config.as_ref(), self.head.defaults.as_ref())
    }

    /// The step with the shortest encoding.
    #[must_use]
    pub fn smallest(&self) -> u32 {
        let places = (0..).zip(&self.places);
        places
            .min_by_key(|(_, place)| place.bytes)
            .map_or(0, |(step, _)| step)
    }

    /// The encoding of a step. It was checked, or made, when the plan was.
    fn bytes(&self, step: u32) -> Option<&[u8]> {
        let place = self.places.get(step as usize)?;
        let chunk = self.encoded.chunks.get(place.chunk as usize)?;
        chunk
            .data()
            .get(place.at as usize..)?
            .get(..place.bytes as usize)
    }

    /// The whole workflow, decoded.
    #[must_use]
    pub fn workflow(&self) -> Workflow {
        let steps = (0..).map_while(|step| Some((self.label(step)?.to_owned(), self.step(step)?)));
        Workflow {
            steps: steps.collect(),
            ..self.head.clone()
        }
    }
}

fn decode(bytes: &[u8]) -> Option<Ipld> {
    let limits = Limits {
        bytes: MAX_BLOCK_BYTES,
        depth: MAX_DEPTH,
    };
    cbor::decode(bytes, limits).ok()
}
