//! All tasks of a file in their order, and the steps of a workflow made of them.

use super::compiler::Compiler;
use super::file::{File, Spec};
use super::labels::Instance;
use super::link::{Made, Prepared};
use super::problem::MAX_DIAGNOSTICS;
use crate::plan::EncodedStep;
use crate::task::Task;
use crate::workflow::MAX_WORKFLOW_BYTES;
use ipvm_ucan::Did;

/// The steps of a workflow, with what else is known of them.
pub(crate) struct Steps {
    /// In the order of their labels.
    pub(crate) steps: Vec<EncodedStep>,
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
    pub(crate) fn steps(&mut self, parts: Parts<'_, 'd>, order: &[u32]) -> Option<Steps> {
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
                *self.tasks.get_mut(index)? = Some(*made_here.block.cid());
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
            self.sorted(parts, made, undo)
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
        &self,
        parts: Parts<'_, 'd>,
        made: Vec<Option<Made>>,
        undo: Vec<Option<Task>>,
    ) -> Option<Steps> {
        let mut sorted = Vec::with_capacity(made.len());
        let undo = undo.into_iter().chain(std::iter::repeat(None));
        for (index, ((instance, made), undo)) in
            (0..).zip(parts.instances.iter().zip(made).zip(undo))
        {
            let made = made?;
            let ready = parts.prepared.get(instance.spec)?;
            let (cid, task) = made.block.into_parts();
            let step = EncodedStep {
                label: self.labels.name(instance),
                task: task.into_boxed_slice(),
                cid,
                class: made.class,
                awaits: made.awaits,
                config: ready.config.clone(),
                rescue: ready.rescue.clone(),
                undo,
            };
            sorted.push((index, step));
        }
        sorted.sort_by(|a: &(u32, EncodedStep), b| a.1.label.cmp(&b.1.label));
        let mut numbers = vec![0; sorted.len()];
        for (number, (index, _)) in (0..).zip(&sorted) {
            *numbers.get_mut(*index as usize)? = number;
        }
        Some(Steps {
            steps: sorted.into_iter().map(|(_, step)| step).collect(),
            numbers,
        })
    }
}
