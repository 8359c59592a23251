//! Which step waits for which: worked out from the promises in the tasks' arguments.
//!
//! Steps are numbered by their labels in byte order, the order of [`Workflow::steps`]. There are no cycles: a
//! task names what it awaits by hash.

use crate::wire::WireError;
use crate::workflow::{MAX_TASK_BYTES, Step, Workflow};
use ipvm_ipld::{Cid, cbor};
use std::collections::HashMap;

/// Most pairs of a step and a task that it awaits, in one workflow.
pub const MAX_AWAITS: usize = 4_000_000;

/// Why a workflow has no graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A reserved key does not make a promise.
    #[error("step {label:?}: {source}")]
    Await {
        /// The step.
        label: String,
        /// What is wrong with it.
        source: WireError,
    },
    /// A task has no encoding, so it has no CID.
    #[error("step {label:?}: {source}")]
    Encode {
        /// The step.
        label: String,
        /// What is wrong with it.
        source: cbor::EncodeError,
    },
    /// A task is over [`MAX_TASK_BYTES`].
    #[error(
        "step {label:?}: the task has {bytes} bytes, over the limit of {MAX_TASK_BYTES}; pass large values as files"
    )]
    TooLarge {
        /// The step.
        label: String,
        /// Its task's size, in bytes of DAG-CBOR.
        bytes: usize,
    },
    /// More awaits than the limit.
    #[error(
        "the tasks await each other in more than {MAX_AWAITS} places; gather results in stages"
    )]
    TooManyAwaits,
}

/// Which step waits for which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    tasks: Vec<Cid>,
    /// First step of each task.
    first: HashMap<Cid, u32>,
    deps: Lists<u32>,
    dependents: Lists<u32>,
    external: Lists<Cid>,
}

impl Graph {
    /// Works out the graph of a workflow.
    ///
    /// # Errors
    /// If a task has a malformed promise, no encoding, or is too large, or there are more awaits than
    /// [`MAX_AWAITS`].
    pub fn of(workflow: &Workflow) -> Result<Self, GraphError> {
        let encode = |(label, step): (&String, &Step)| {
            let block = step.task.block();
            let block = block.map_err(|source| GraphError::Encode {
                label: label.clone(),
                source,
            })?;
            match block.data().len() {
                0..=MAX_TASK_BYTES => Ok(*block.cid()),
                bytes => Err(GraphError::TooLarge {
                    label: label.clone(),
                    bytes,
                }),
            }
        };
        let tasks = workflow
            .steps
            .iter()
            .map(encode)
            .collect::<Result<_, _>>()?;
        Self::with_tasks(workflow, tasks)
    }

    /// The same for one who knows the Task CIDs already.
    pub(crate) fn with_tasks(workflow: &Workflow, tasks: Vec<Cid>) -> Result<Self, GraphError> {
        let mut first = HashMap::with_capacity(tasks.len());
        for (step, task) in numbered(&tasks) {
            first.entry(*task).or_insert(step);
        }
        let (mut deps, mut external) = (Lists::default(), Lists::default());
        for (label, step) in &workflow.steps {
            let awaits = step.task.awaits();
            let awaits = awaits.map_err(|source| GraphError::Await {
                label: label.clone(),
                source,
            })?;
            let (mut inside, mut outside) = (Vec::new(), Vec::new());
            for promise in awaits {
                match first.get(&promise.task) {
                    Some(step) => inside.push(*step),
                    None => outside.push(promise.task),
                }
            }
            deps.push(inside);
            external.push(outside);
            if deps.items.len() + external.items.len() > MAX_AWAITS {
                return Err(GraphError::TooManyAwaits);
            }
        }
        let dependents = deps.reversed();
        Ok(Self {
            tasks,
            first,
            deps,
            dependents,
            external,
        })
    }

    /// Number of steps.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there are no steps.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The Task CID of a step.
    #[must_use]
    pub fn task(&self, step: u32) -> Option<&Cid> {
        self.tasks.get(step as usize)
    }

    /// The first step with this Task CID.
    #[must_use]
    pub fn find(&self, task: &Cid) -> Option<u32> {
        self.first.get(task).copied()
    }

    /// The first step with the same task: the step itself, unless a label before it names equal work. Such
    /// twins end with the same receipt.
    #[must_use]
    pub fn twin(&self, step: u32) -> u32 {
        self.task(step)
            .and_then(|task| self.find(task))
            .unwrap_or(step)
    }

    /// The steps whose results a step awaits: ascending, each once, the first of twins.
    #[must_use]
    pub fn deps(&self, step: u32) -> &[u32] {
        self.deps.get(step)
    }

    /// The steps that await a step: ascending, each once. Of twins only the first has any.
    #[must_use]
    pub fn dependents(&self, step: u32) -> &[u32] {
        self.dependents.get(step)
    }

    /// The tasks outside the workflow that a step awaits: ascending, each once.
    #[must_use]
    pub fn external(&self, step: u32) -> &[Cid] {
        self.external.get(step)
    }

    /// All steps, each after those that it awaits; the lowest number first where there is a choice.
    #[must_use]
    pub fn order(&self) -> Vec<u32> {
        order(&self.deps, &self.dependents)
    }
}

/// Steps such that each comes after its dependencies; steps on cycles, or behind one, are left out.
pub(crate) fn order(deps: &Lists<u32>, dependents: &Lists<u32>) -> Vec<u32> {
    let mut open: Vec<usize> = deps.iter().map(<[u32]>::len).collect();
    let mut ready: std::collections::BinaryHeap<std::cmp::Reverse<u32>> = numbered(&open)
        .filter(|(_, open)| **open == 0)
        .map(|(step, _)| std::cmp::Reverse(step))
        .collect();
    let mut order = Vec::with_capacity(open.len());
    while let Some(std::cmp::Reverse(step)) = ready.pop() {
        order.push(step);
        for dependent in dependents.get(step) {
            if let Some(open) = open.get_mut(*dependent as usize) {
                *open -= 1;
                if *open == 0 {
                    ready.push(std::cmp::Reverse(*dependent));
                }
            }
        }
    }
    order
}

/// Items with their numbers; there are never 2^32 of them.
fn numbered<T>(items: &[T]) -> impl Iterator<Item = (u32, &T)> {
    (0..).zip(items)
}

/// A list for each step, all in one piece of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lists<T> {
    items: Vec<T>,
    /// Where each list ends.
    ends: Vec<usize>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            ends: Vec::new(),
        }
    }
}

impl<T: Ord> Lists<T> {
    /// Adds the next step's list: sorted, each item once.
    pub(crate) fn push(&mut self, mut list: Vec<T>) {
        list.sort_unstable();
        list.dedup();
        self.items.extend(list);
        self.ends.push(self.items.len());
    }
}

impl<T> Lists<T> {
    pub(crate) fn get(&self, step: u32) -> &[T] {
        let step = step as usize;
        let Some(end) = self.ends.get(step) else {
            return &[];
        };
        let start = step
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .copied()
            .unwrap_or(0);
        self.items.get(start..*end).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    fn iter(&self) -> impl Iterator<Item = &[T]> {
        (0..).zip(&self.ends).map(|(step, _)| self.get(step))
    }
}

impl Lists<u32> {
    /// The lists of who names a step.
    pub(crate) fn reversed(&self) -> Self {
        // Counting sort: ends first, then each item into its place from the back.
        let mut ends = vec![0_usize; self.ends.len()];
        for target in &self.items {
            if let Some(count) = ends.get_mut(*target as usize) {
                *count += 1;
            }
        }
        let mut total = 0;
        let mut starts = Vec::with_capacity(ends.len());
        for end in &mut ends {
            starts.push(total);
            total += *end;
            *end = total;
        }
        let mut items = vec![0; total];
        for (step, list) in (0..).zip(self.iter()) {
            for target in list {
                if let Some(start) = starts.get_mut(*target as usize) {
                    if let Some(slot) = items.get_mut(*start) {
                        *slot = step;
                    }
                    *start += 1;
                }
            }
        }
        Self { items, ends }
    }
}
