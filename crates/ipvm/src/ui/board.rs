//! The state of a run as a person follows it: one row per label of the file, kept up to date at a constant
//! cost per event. Knows nothing of terminals.

use ipvm_node::{Prepared, Status};
use ipvm_workflow::Plan;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

/// Errors told in full at the end; the rest is counted.
pub(crate) const MAX_ERRORS: usize = 10;

/// One label of the file: a single task, or all tasks of an `each`.
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) total: u64,
    pub(crate) tally: Tally,
    /// When its first task was started here.
    pub(crate) since: Option<Instant>,
    /// Time its executed tasks took together, in microseconds.
    pub(crate) took_us: u64,
    /// Wall-clock time from the first start to the last end, in microseconds.
    pub(crate) elapsed_us: u64,
    /// Time its reused results took when they were computed, in microseconds.
    pub(crate) saved_us: u64,
    /// The first error in it, in one line.
    pub(crate) error: Option<String>,
}

/// How many tasks are in which state.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) running: u64,
    pub(crate) executed: u64,
    pub(crate) memo: u64,
    /// Ended in an error, executed or not.
    pub(crate) failed: u64,
    /// Ended at all.
    pub(crate) ended: u64,
}

/// What a row looks like as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Waiting,
    Running,
    Ok,
    Memo,
    Failed,
}

impl Row {
    pub(crate) fn is_group(&self) -> bool {
        self.total != 1
    }

    pub(crate) fn mark(&self) -> Mark {
        let tally = &self.tally;
        match tally {
            _ if tally.failed > 0 => Mark::Failed,
            _ if self.total > 0 && tally.memo == self.total => Mark::Memo,
            _ if tally.ended == self.total => Mark::Ok,
            _ if tally.running > 0 || tally.ended > 0 => Mark::Running,
            _ => Mark::Waiting,
        }
    }
}

/// One end of a task, as lines and summaries tell it.
pub(crate) struct Ended<'a> {
    pub(crate) step: u32,
    pub(crate) status: Status,
    pub(crate) memo: bool,
    pub(crate) took_us: u64,
    pub(crate) saved_us: u64,
    pub(crate) because: Option<u32>,
    pub(crate) error: Option<&'a str>,
}

/// The whole run.
pub(crate) struct Board {
    pub(crate) name: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) tally: Tally,
    pub(crate) saved_us: u64,
    pub(crate) total: u64,
    pub(crate) began: Instant,
    /// (label, message) of the first errors that are not consequences of others.
    pub(crate) errors: Vec<(String, String)>,
    plan: Arc<Plan>,
    row_of: Vec<u32>,
    has_ended: Vec<bool>,
    running: HashSet<u32>,
}

impl Board {
    pub(crate) fn new(prepared: &Prepared, now: Instant) -> Self {
        let mut row_of = vec![0; prepared.plan.len()];
        let mut rows = Vec::with_capacity(prepared.groups.len());
        for (index, group) in (0u32..).zip(&prepared.groups) {
            for member in &group.members {
                if let Some(row) = row_of.get_mut(*member as usize) {
                    *row = index;
                }
            }
            rows.push(Row {
                label: group.label.clone(),
                total: group.members.len() as u64,
                tally: Tally::default(),
                since: None,
                took_us: 0,
                elapsed_us: 0,
                saved_us: 0,
                error: None,
            });
        }
        Self {
            name: prepared.name.clone(),
            rows,
            tally: Tally::default(),
            saved_us: 0,
            total: prepared.plan.len() as u64,
            began: now,
            errors: Vec::new(),
            plan: Arc::clone(&prepared.plan),
            row_of,
            has_ended: vec![false; prepared.plan.len()],
            running: HashSet::new(),
        }
    }

    pub(crate) fn label(&self, step: u32) -> &str {
        self.plan.label(step).unwrap_or("?")
    }

    pub(crate) fn started(&mut self, step: u32, now: Instant) {
        if !self.running.insert(step) {
            return;
        }
        self.tally.running += 1;
        if let Some(row) = self.row_mut(step) {
            row.tally.running += 1;
            row.since.get_or_insert(now);
        }
    }

    /// Counts a task's end. A second report of the same end changes nothing and returns false.
    pub(crate) fn ended(&mut self, ended: &Ended<'_>, now: Instant) -> bool {
        match self.has_ended.get_mut(ended.step as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => return false,
        }
        let was_running = self.running.remove(&ended.step);
        self.tally.count(ended, was_running);
        self.saved_us += ended.saved_us;
        self.keep_error(ended);
        if let Some(row) = self.row_mut(ended.step) {
            row.tally.count(ended, was_running);
            row.took_us += ended.took_us;
            row.saved_us += ended.saved_us;
            row.elapsed_us = row.since.map_or(0, |since| micros(now, since));
            if row.error.is_none() {
                row.error = ended.error.map(str::to_owned);
            }
        }
        true
    }

    fn keep_error(&mut self, ended: &Ended<'_>) {
        let consequence = ended.because.is_some();
        // One more than is told, to know that there are more.
        if ended.status != Status::Error || consequence || self.errors.len() > MAX_ERRORS {
            return;
        }
        let message = ended.error.unwrap_or("no message").to_owned();
        self.errors
            .push((self.label(ended.step).to_owned(), message));
    }

    fn row_mut(&mut self, step: u32) -> Option<&mut Row> {
        let row = self.row_of.get(step as usize)?;
        self.rows.get_mut(*row as usize)
    }
}

impl Tally {
    fn count(&mut self, ended: &Ended<'_>, was_running: bool) {
        self.ended += 1;
        self.running -= u64::from(was_running && self.running > 0);
        self.failed += u64::from(ended.status == Status::Error);
        self.memo += u64::from(ended.memo);
        self.executed += u64::from(!ended.memo && ended.because.is_none());
    }
}

/// Microseconds between two moments.
pub(crate) fn micros(now: Instant, since: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(since).as_micros()).unwrap_or(u64::MAX)
}
