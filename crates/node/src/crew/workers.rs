//! The workers: what each does next, and how many there are.

use std::sync::{Arc, PoisonError};
use std::thread;

use ipvm_scheduler::RunId;

use super::{Computed, Job, Shared, State, job};
use crate::{Node, NodeError, worker};

impl Shared {
    /// Reports what a worker has done and gives it its next job; waits for one. None when the home is closed.
    ///
    /// Where there is no job, the worker writes its result to the disk itself: what follows from it may be the next job.
    pub(crate) fn next(self: &Arc<Self>, computed: Option<Computed>) -> Option<Job> {
        let mut state = self.lock();
        let mut commit = None;
        if let Some(computed) = computed {
            commit = Some(self.computed(&mut state, computed));
            self.staff(&mut state, 1);
        }
        loop {
            if let Some((run, task)) = state.jobs.pop() {
                match job(&mut state, run, task) {
                    Ok(job) => {
                        // Before another thread is woken for the commit.
                        drop(state);
                        return Some(job);
                    }
                    Err(error) => self.fail_locked(&mut state, run, error),
                }
                continue;
            }
            if let Some(commit) = commit.take() {
                state.writing += 1;
                drop(state);
                let writing = Writing(self);
                commit.serve();
                drop(writing);
                state = self.lock();
                continue;
            }
            if state.leaving {
                return None;
            }
            state.idle += 1;
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Wakes as many workers as there are jobs, but for those that are taken anyway, by the calling thread or by others;
    /// starts more if they are too few. One that writes to the store is replaced meanwhile.
    pub(super) fn staff(self: &Arc<Self>, state: &mut State, own: usize) {
        let open = state.jobs.len().saturating_sub(own);
        for _ in 0..open.min(state.idle) {
            self.work.notify_one();
        }
        let wanted = open.saturating_sub(state.idle);
        // Those that have ended are those that panicked.
        if wanted > 0 {
            state.workers.retain(|worker| !worker.is_finished());
        }
        let most = self.most + state.writing;
        for _ in 0..wanted.min(most.saturating_sub(state.workers.len())) {
            if state.leaving || !self.hire(state) {
                return;
            }
        }
    }

    fn hire(self: &Arc<Self>, state: &mut State) -> bool {
        let shared = Arc::clone(self);
        let Some(core) = self.core.upgrade() else {
            return false;
        };
        let name = thread::Builder::new().name("ipvm-worker".into());
        match name.spawn(move || worker::work(&Node::of(core), &shared)) {
            Ok(worker) => {
                state.workers.push(worker);
                true
            }
            Err(error) => {
                if state.workers.is_empty() {
                    let runs: Vec<RunId> = state.runs.keys().copied().collect();
                    for run in runs {
                        let error =
                            NodeError::Internal(format!("no thread could be started: {error}"));
                        self.fail_locked(state, run, error);
                    }
                }
                false
            }
        }
    }
}

/// A worker that writes to the store, until this is dropped.
struct Writing<'a>(&'a Shared);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.lock().writing -= 1;
    }
}
