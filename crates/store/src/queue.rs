//! The queue in front of the writer: bounded in batches and in bytes.

use crate::conn::lock;
use crate::error::StoreError;
use crate::limits::{
    GROUP_BATCHES_MAX, GROUP_BYTES_MAX, GROUP_ROWS_MAX, QUEUE_BATCHES_MAX, QUEUE_BYTES_MAX,
};
use crate::prepare::Prepared;
use crate::types::OnDurable;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

/// A batch on its way to the disk, and whom to tell.
pub(crate) struct Job {
    pub(crate) batch: Prepared,
    pub(crate) on_durable: OnDurable,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// Why nothing is taken any more.
    closed: Option<String>,
}

/// Batches that wait for the writer.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    not_empty: Condvar,
    not_full: Condvar,
}

impl Queue {
    /// Adds a batch, waiting while the queue is full; nobody is woken for it yet. A batch that is refused comes to know
    /// why, and the answer is false.
    pub(crate) fn push(&self, job: Job) -> bool {
        let full = |state: &mut State| {
            let full = state.jobs.len() >= QUEUE_BATCHES_MAX || state.bytes >= QUEUE_BYTES_MAX;
            let waits = full && state.closed.is_none();
            if waits {
                self.not_empty.notify_one();
            }
            waits
        };
        let mut state = self
            .not_full
            .wait_while(lock(&self.state), full)
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = state.closed.clone() {
            drop(state);
            (job.on_durable)(Err(StoreError::Stopped { reason }));
            return false;
        }
        state.bytes += job.batch.bytes;
        state.jobs.push_back(job);
        true
    }

    /// Wakes the writer's thread, if there is something for it.
    pub(crate) fn wake(&self) {
        let is_empty = lock(&self.state).jobs.is_empty();
        if !is_empty {
            self.not_empty.notify_one();
        }
    }

    /// Waits until there is something; false when the queue is closed and all is taken.
    pub(crate) fn wait(&self) -> bool {
        let empty = |state: &mut State| state.jobs.is_empty() && state.closed.is_none();
        let state = self
            .not_empty
            .wait_while(lock(&self.state), empty)
            .unwrap_or_else(PoisonError::into_inner);
        !state.jobs.is_empty()
    }

    /// Takes what waits, up to the size of one transaction.
    pub(crate) fn take_group(&self) -> Vec<Job> {
        let mut state = lock(&self.state);
        let (mut rows, mut bytes) = (0, 0);
        let mut group = Vec::new();
        while group.len() < GROUP_BATCHES_MAX && rows < GROUP_ROWS_MAX && bytes < GROUP_BYTES_MAX {
            let Some(job) = state.jobs.pop_front() else {
                break;
            };
            rows += job.batch.rows;
            bytes += job.batch.bytes;
            group.push(job);
        }
        state.bytes = state.bytes.saturating_sub(bytes);
        drop(state);
        if !group.is_empty() {
            self.not_full.notify_all();
        }
        group
    }

    /// Closes the queue and drops what waits, for a writer that ends without serving it: submitters that wait come to
    /// know it by their callback being dropped.
    pub(crate) fn abandon(&self) {
        self.close("the writer has ended");
        let jobs = std::mem::take(&mut lock(&self.state).jobs);
        drop(jobs);
    }

    /// Takes nothing more. What waits already is still taken by the writer.
    pub(crate) fn close(&self, reason: &str) {
        let mut state = lock(&self.state);
        state.closed.get_or_insert_with(|| reason.to_owned());
        drop(state);
        self.not_empty.notify_all();
        self.not_full.notify_all();
    }
}
