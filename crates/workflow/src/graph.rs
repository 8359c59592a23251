//! Which step waits for which: worked out from the promises in the tasks' arguments.
//!
//! Steps are numbered by their labels in byte order, the order of [`Workflow::steps`]. There are no cycles: a
//! task names what it awaits by hash.

use crate::wire::WireError;
use crate::workflow::{MAX_TASK_BYTES, Step, Workflow};
use ipvm_ipld::{Block, Cid, DIGEST_BYTES, cbor, cid_of_digest, codec, digest_of};
use ipvm_ucan::promise::{Await, Branch};
use std::ops::Range;

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

/// The digest in a CID.
type Digest = [u8; DIGEST_BYTES];

/// Which step waits for which: about 60 bytes a step and 12 for each thing that it awaits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// Digests of the tasks' CIDs: all tasks are DAG-CBOR.
    tasks: Vec<Digest>,
    /// All steps in the order of their tasks' digests, equal ones in their own order.
    by_task: Vec<u32>,
    deps: Lists<u32>,
    /// For each entry of `deps`, on which branches it is awaited, as bits.
    branches: Vec<u8>,
    dependents: Lists<u32>,
    external: Lists<Cid>,
}

/// A task that is awaited, small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    codec: u64,
    digest: Digest,
    /// On which branches, as bits.
    branches: u8,
}

/// A graph that is being made, step by step.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    tasks: Vec<Digest>,
    wanted: Lists<Wanted>,
}

impl Builder {
    /// Adds the next step: its task's CID and what it awaits.
    pub(crate) fn push(
        &mut self,
        label: &str,
        task: &Cid,
        awaits: &[Await],
    ) -> Result<(), GraphError> {
        let digest = |cid: &Cid| {
            let other = || WireError::value("await", format!("{cid} is not the CID of a task"));
            digest_of(cid)
                .ok_or_else(other)
                .map_err(|source| GraphError::Await {
                    label: label.to_owned(),
                    source,
                })
        };
        self.tasks.push(digest(task)?);
        let mut wanted = Vec::with_capacity(awaits.len());
        for promise in awaits {
            wanted.push(Wanted {
                codec: promise.task.codec(),
                digest: digest(&promise.task)?,
                branches: bit(promise.branch),
            });
        }
        wanted.sort_unstable();
        // One entry for each task, with all branches.
        wanted.dedup_by(|next, kept| {
            let same = (next.codec, next.digest) == (kept.codec, kept.digest);
            kept.branches |= if same { next.branches } else { 0 };
            same
        });
        self.wanted.push_sorted(wanted);
        if self.wanted.len() > MAX_AWAITS {
            return Err(GraphError::TooManyAwaits);
        }
        Ok(())
    }

    /// The graph of all steps.
    pub(crate) fn finish(self) -> Graph {
        let tasks = self.tasks;
        let mut by_task: Vec<u32> = numbered(&tasks).map(|(step, _)| step).collect();
        by_task.sort_by_key(|step| tasks.get(*step as usize));
        let mut graph = Graph {
            tasks,
            by_task,
            ..Graph::default()
        };
        for list in self.wanted.iter() {
            let (mut inside, mut outside) = (Vec::new(), Vec::new());
            for wanted in list {
                match graph.first(wanted.codec, &wanted.digest) {
                    Some(step) => inside.push((step, wanted.branches)),
                    None => outside.push(cid_of_digest(wanted.codec, &wanted.digest)),
                }
            }
            inside.sort_unstable();
            graph
                .branches
                .extend(inside.iter().map(|(_, branches)| *branches));
            graph
                .deps
                .push_sorted(inside.into_iter().map(|(step, _)| step));
            outside.sort_unstable();
            graph.external.push_sorted(outside);
        }
        graph.dependents = graph.deps.reversed();
        graph
    }
}

fn bit(branch: Branch) -> u8 {
    match branch {
        Branch::Any => 1,
        Branch::Ok => 2,
        Branch::Error => 4,
    }
}

impl Graph {
    /// Works out the graph of a workflow.
    ///
    /// # Errors
    /// If a task has a malformed promise, no encoding, or is too large, or there are more awaits than
    /// [`MAX_AWAITS`].
    pub fn of(workflow: &Workflow) -> Result<Self, GraphError> {
        let mut builder = Builder::default();
        for (label, step) in &workflow.steps {
            let block = task_block(label, step)?;
            builder.push(label, block.cid(), &awaits(label, step)?)?;
        }
        Ok(builder.finish())
    }

    /// The first step with this task.
    fn first(&self, codec: u64, digest: &Digest) -> Option<u32> {
        let task = |step: &u32| self.tasks.get(*step as usize);
        let at = self
            .by_task
            .partition_point(|step| task(step) < Some(digest));
        let found = self
            .by_task
            .get(at)
            .filter(|step| task(step) == Some(digest));
        found.copied().filter(|_| codec == codec::DAG_CBOR)
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
    pub fn task(&self, step: u32) -> Option<Cid> {
        let digest = self.tasks.get(step as usize)?;
        Some(cid_of_digest(codec::DAG_CBOR, digest))
    }

    /// The first step with this Task CID.
    #[must_use]
    pub fn find(&self, task: &Cid) -> Option<u32> {
        self.first(task.codec(), &digest_of(task)?)
    }

    /// The first step with the same task: the step itself, unless a label before it names equal work. Such
    /// twins end with the same receipt.
    #[must_use]
    pub fn twin(&self, step: u32) -> u32 {
        self.tasks
            .get(step as usize)
            .and_then(|task| self.first(codec::DAG_CBOR, task))
            .unwrap_or(step)
    }

    /// The steps whose results a step awaits: ascending, each once, the first of twins.
    #[must_use]
    pub fn deps(&self, step: u32) -> &[u32] {
        self.deps.get(step)
    }

    /// The same with the branches on which each is awaited: one entry for each of them.
    pub fn awaited(&self, step: u32) -> impl Iterator<Item = (u32, Branch)> + '_ {
        let range = self.deps.range(step).unwrap_or_default();
        let branches = self.branches.get(range).unwrap_or_default();
        self.deps(step).iter().zip(branches).flat_map(|(on, mask)| {
            let awaited = Branch::ALL
                .into_iter()
                .filter(move |branch| mask & bit(*branch) != 0);
            awaited.map(|branch| (*on, branch))
        })
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

/// The task of a step, encoded.
pub(crate) fn task_block(label: &str, step: &Step) -> Result<Block, GraphError> {
    let block = step.task.block();
    let block = block.map_err(|source| GraphError::Encode {
        label: label.to_owned(),
        source,
    })?;
    match block.data().len() {
        0..=MAX_TASK_BYTES => Ok(block),
        bytes => Err(GraphError::TooLarge {
            label: label.to_owned(),
            bytes,
        }),
    }
}

/// What the task of a step awaits.
pub(crate) fn awaits(label: &str, step: &Step) -> Result<Vec<Await>, GraphError> {
    step.task.awaits().map_err(|source| GraphError::Await {
        label: label.to_owned(),
        source,
    })
}

/// A list for each step, all in one piece of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lists<T> {
    items: Vec<T>,
    /// Where each list ends: [`MAX_AWAITS`] is far below 2^32.
    ends: Vec<u32>,
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
        self.push_sorted(list);
    }
}

impl<T> Lists<T> {
    /// Adds the next step's list, which is sorted.
    fn push_sorted(&mut self, list: impl IntoIterator<Item = T>) {
        self.items.extend(list);
        self.ends
            .push(u32::try_from(self.items.len()).unwrap_or(u32::MAX));
    }

    fn range(&self, step: u32) -> Option<Range<usize>> {
        let step = step as usize;
        let end = *self.ends.get(step)?;
        let start = step
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .map_or(0, |start| *start as usize);
        Some(start..end as usize)
    }

    pub(crate) fn get(&self, step: u32) -> &[T] {
        let range = self.range(step).unwrap_or_default();
        self.items.get(range).unwrap_or_default()
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
        let mut ends = vec![0_u32; self.ends.len()];
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
        let mut items = vec![0; total as usize];
        for (step, list) in (0..).zip(self.iter()) {
            for target in list {
                if let Some(start) = starts.get_mut(*target as usize) {
                    if let Some(slot) = items.get_mut(*start as usize) {
                        *slot = step;
                    }
                    *start += 1;
                }
            }
        }
        Self { items, ends }
    }
}
