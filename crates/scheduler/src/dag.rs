//! Who awaits whom, in a form that costs a few bytes a step.

use ipvm_ucan::promise::Branch;

use crate::SchedulerError;

/// Most steps in one run.
pub const MAX_STEPS: usize = 100_000;

/// A directed acyclic graph of steps: valid by construction.
#[derive(Clone, Debug)]
pub struct Dag {
    /// For each step, how many distinct edges lead into it.
    awaits: Vec<u32>,
    /// Outgoing edges of all steps, grouped by source step.
    edges: Vec<(u32, Branch)>,
    /// `edges[starts[s]..starts[s + 1]]` are those of step `s`.
    starts: Vec<u32>,
    /// For each step, whether it may start on results that are known but not yet durable.
    eager: Vec<bool>,
}

impl Dag {
    /// Builds the graph from, for each step, the steps it awaits and on which branch.
    ///
    /// # Errors
    /// More than [`MAX_STEPS`] steps, an edge to a missing step, or a cycle.
    pub fn new(inputs: &[Vec<(u32, Branch)>]) -> Result<Self, SchedulerError> {
        let steps = inputs.len();
        if steps > MAX_STEPS {
            return Err(SchedulerError::TooManySteps(steps));
        }
        let mut counts = vec![0u32; steps];
        for (step, on) in flat(inputs) {
            match counts.get_mut(on.0 as usize) {
                Some(count) => *count += 1,
                None => {
                    return Err(SchedulerError::NoSuchStep {
                        step,
                        on: on.0,
                        steps,
                    });
                }
            }
        }
        let starts = prefix_sums(&counts);
        let mut next = starts.clone();
        let mut edges = vec![(0, Branch::Any); starts.last().map_or(0, |last| *last as usize)];
        for (step, (on, branch)) in flat(inputs) {
            if let Some(slot) = next.get_mut(on as usize) {
                if let Some(edge) = edges.get_mut(*slot as usize) {
                    *edge = (step, branch);
                }
                *slot += 1;
            }
        }
        let awaits = inputs.iter().map(|list| list.len() as u32).collect();
        let dag = Self {
            awaits,
            edges,
            starts,
            eager: vec![false; steps],
        };
        dag.check_acyclic()?;
        Ok(dag)
    }

    /// The same graph, in which the steps that `is_eager` names may start on results that are known but not yet
    /// durable. That is right for steps whose repetition harms nobody: should such a result be lost with the power,
    /// they are done again. Without this, every step waits until its inputs are durable.
    #[must_use]
    pub fn eager(mut self, is_eager: impl Fn(u32) -> bool) -> Self {
        for (step, eager) in (0..).zip(&mut self.eager) {
            *eager = is_eager(step);
        }
        self
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.awaits.len()
    }

    /// Whether there is no step at all.
    pub fn is_empty(&self) -> bool {
        self.awaits.is_empty()
    }

    /// For each step, how many edges lead into it.
    pub(crate) fn awaits(&self) -> &[u32] {
        &self.awaits
    }

    /// Whether a step may start on results that are not yet durable.
    pub(crate) fn is_eager(&self, step: u32) -> bool {
        self.eager.get(step as usize) == Some(&true)
    }

    /// The steps that await `step`, each with the branch it awaits.
    pub(crate) fn dependents(&self, step: u32) -> &[(u32, Branch)] {
        let at = step as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(from), Some(to)) => self
                .edges
                .get(*from as usize..*to as usize)
                .unwrap_or_default(),
            _ => &[],
        }
    }

    /// Kahn's algorithm: whatever is left when nothing is free any more lies on or behind a cycle.
    fn check_acyclic(&self) -> Result<(), SchedulerError> {
        let mut left = self.awaits.clone();
        let mut free: Vec<u32> = (0..)
            .zip(&left)
            .filter(|(_, count)| **count == 0)
            .map(|(step, _)| step)
            .collect();
        while let Some(step) = free.pop() {
            for (dependent, _) in self.dependents(step) {
                if let Some(count) = left.get_mut(*dependent as usize) {
                    *count -= 1;
                    if *count == 0 {
                        free.push(*dependent);
                    }
                }
            }
        }
        match (0..).zip(&left).find(|(_, count)| **count > 0) {
            Some((step, _)) => Err(SchedulerError::Cycle(step)),
            None => Ok(()),
        }
    }
}

fn flat(inputs: &[Vec<(u32, Branch)>]) -> impl Iterator<Item = (u32, (u32, Branch))> + '_ {
    (0..)
        .zip(inputs)
        .flat_map(|(step, list)| list.iter().map(move |edge| (step, *edge)))
}

fn prefix_sums(counts: &[u32]) -> Vec<u32> {
    let mut sum = 0;
    let mut starts = Vec::with_capacity(counts.len() + 1);
    starts.push(0);
    for count in counts {
        sum += count;
        starts.push(sum);
    }
    starts
}
