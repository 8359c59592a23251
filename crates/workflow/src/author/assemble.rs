//! All tasks of a file in their order, and the steps of a workflow made of them.

use super::compiler::Compiler;
use super::document::{At, Document};
use super::file::{File, Spec};
use super::labels::Instance;
use super::link::{Made, Prepared};
use super::problem::{MAX_DIAGNOSTICS, Problem};
use crate::plan::{self, EncodedStep, Plan};
use crate::task::Task;
use crate::workflow::{MAX_WORKFLOW_BYTES, Workflow, WorkflowError};
use ipvm_ipld::{cid_of, codec, digest_of};
use ipvm_ucan::Did;

/// The steps of a workflow, with what else is known of them.
pub(crate) struct Steps {
    pub(crate) plan: Plan,
    /// Steps, by instance.
    pub(crate) numbers: Vec<u32>,
}

/// All that tasks are made of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a, 'd> {
    pub(crate) file: &'a File<'d>,
    /// By spec.
    pub(crate) prepared: &'a [Prepared],
    pub(crate) instances: &'a [Instance],
    pub(crate) owner: &'a Did,
    /// The workflow's nonce.
    pub(crate) nonce: &'a [u8],
}

impl<'d> Compiler<'d, '_> {
    /// Makes the tasks, each after those that it awaits, then all that may refer to any of them. `None` if
    /// something has been reported.
    pub(crate) fn steps(
        &mut self,
        parts: Parts<'_, 'd>,
        order: &[u32],
        head: Workflow,
    ) -> Option<Steps> {
        let count = parts.instances.len();
        let mut made: Vec<Option<Made>> = vec![None; count];
        let mut failed = vec![0; parts.prepared.len()];
        for index in order.iter().map(|index| *index as usize) {
            let made_here = self.attempt(
                parts,
                index,
                &mut failed,
                |compiler, spec, ready, instance| {
                    compiler.task(spec, ready, instance, (parts.owner, parts.nonce))
                },
            )?;
            if let Some(made_here) = made_here {
                let cid = cid_of(codec::DAG_CBOR, &made_here.bytes);
                *self.tasks.get_mut(index)? = digest_of(&cid);
                *made.get_mut(index)? = Some(made_here);
            }
        }
        let has_undo = parts.file.tasks.iter().any(|spec| spec.undo.is_some());
        let mut undo: Vec<Option<Task>> = if has_undo {
            vec![None; count]
        } else {
            Vec::new()
        };
        for (index, undo) in undo.iter_mut().enumerate() {
            let has_undo =
                |instance: &Instance| Some(parts.file.tasks.get(instance.spec)?.undo.is_some());
            if parts.instances.get(index).and_then(has_undo) == Some(true) {
                *undo = self.attempt(
                    parts,
                    index,
                    &mut failed,
                    |compiler, spec, ready, instance| {
                        compiler.undo(spec, ready, instance, (parts.owner, parts.nonce))
                    },
                )?;
            }
        }
        if self.report.is_empty() {
            self.sorted(parts, made, undo, head)
        } else {
            None
        }
    }

    /// Makes one thing of an instance. The outer `None` ends everything: there is no use in more errors, or no
    /// room for more tasks. A spec whose instances fail again and again is given up, since each failure may
    /// cost as much as a large task.
    fn attempt<T>(
        &mut self,
        parts: Parts<'_, 'd>,
        index: usize,
        failed: &mut [usize],
        make: impl FnOnce(&mut Self, &Spec<'d>, &Prepared, &Instance) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.report.is_full() || self.bytes > MAX_WORKFLOW_BYTES {
            return None;
        }
        let instance = parts.instances.get(index)?;
        let failures = failed.get_mut(instance.spec)?;
        if *failures >= MAX_DIAGNOSTICS {
            return Some(None);
        }
        let (spec, ready) = (
            parts.file.tasks.get(instance.spec)?,
            parts.prepared.get(instance.spec)?,
        );
        let made = make(self, spec, ready, instance);
        *failures += usize::from(made.is_none());
        Some(made)
    }

    /// The steps by label, and so by number.
    fn sorted(
        &mut self,
        parts: Parts<'_, 'd>,
        mut made: Vec<Option<Made>>,
        mut undo: Vec<Option<Task>>,
        head: Workflow,
    ) -> Option<Steps> {
        let labels = parts.instances.iter().map(|one| self.labels.name(one));
        let mut sorted: Vec<(String, u32)> = labels.zip(0..).collect();
        sorted.sort_unstable();
        let mut numbers = vec![0; sorted.len()];
        for (number, (_, index)) in (0..).zip(&sorted) {
            *numbers.get_mut(*index as usize)? = number;
        }
        let mut builder = plan::Builder::new(head);
        for (label, index) in sorted {
            // Taken out one by one, so that each is in memory but once.
            let made = made.get_mut(index as usize)?.take()?;
            let ready = parts.instances.get(index as usize)?.spec;
            let ready = parts.prepared.get(ready)?;
            let step = EncodedStep {
                label,
                cid: self.task_of(index)?,
                task: made.bytes,
                class: made.class,
                gives_secret: made.gives_secret,
                awaits: made.awaits,
                config: ready.config.clone(),
                rescue: ready.rescue.clone(),
                undo: undo.get_mut(index as usize).and_then(Option::take),
            };
            self.encoded(builder.push(step))?;
        }
        let plan = self.encoded(builder.finish())?;
        Some(Steps { plan, numbers })
    }

    /// Reports what cannot be encoded.
    fn encoded<T>(&mut self, made: Result<T, WorkflowError>) -> Option<T> {
        let problem = |e: WorkflowError| Problem::Encode {
            message: e.to_string(),
        };
        made.map_err(|e| self.report.add(At::Node(Document::ROOT), problem(e)))
            .ok()
    }
}
