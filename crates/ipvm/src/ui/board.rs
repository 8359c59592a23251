//! The state of a run as a person follows it: one row per label of the file, kept up to date at a constant
//! cost per event. Knows nothing of terminals.

use ipvm_node::{Prepared, Status};
use ipvm_workflow::{Class, Plan};
use std::collections::{BTreeSet, HashSet};
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
    /// The first error or doubt in it, in one line.
    pub(crate) error: Option<String>,
    /// What its command does to the world, if it is more than computing.
    pub(crate) badge: Option<Class>,
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
    /// Not known whether done.
    pub(crate) doubted: u64,
}

/// What a row looks like as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Waiting,
    Running,
    Ok,
    Memo,
    Failed,
    Doubted,
}

impl Mark {
    /// How soon a row is shown where not all have room: what runs first, then what failed, what waits, what is done.
    pub(crate) fn rank(self) -> usize {
        match self {
            Self::Running => 0,
            Self::Failed | Self::Doubted => 1,
            Self::Waiting => 2,
            Self::Ok | Self::Memo => 3,
        }
    }
}

/// How many ranks there are.
const RANKS: usize = 4;

impl Row {
    pub(crate) fn is_group(&self) -> bool {
        self.total != 1
    }

    pub(crate) fn mark(&self) -> Mark {
        let tally = &self.tally;
        match tally {
            _ if tally.doubted > 0 => Mark::Doubted,
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

/// An error or a doubt, as it is told in full at the end.
pub(crate) struct Told {
    pub(crate) label: String,
    pub(crate) message: String,
    pub(crate) is_doubt: bool,
}

/// The whole run.
pub(crate) struct Board {
    pub(crate) name: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) tally: Tally,
    pub(crate) saved_us: u64,
    pub(crate) total: u64,
    pub(crate) began: Instant,
    /// The first errors that are not consequences of others, and doubts.
    pub(crate) errors: Vec<Told>,
    plan: Arc<Plan>,
    /// The rows by rank, each in the order of the file: a picture looks at as many as it has room for.
    ranked: [BTreeSet<u32>; RANKS],
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
                badge: badge(&prepared.plan, &group.members),
            });
        }
        let mut ranked: [BTreeSet<u32>; RANKS] = Default::default();
        for (index, row) in (0u32..).zip(&rows) {
            if let Some(rank) = ranked.get_mut(row.mark().rank()) {
                rank.insert(index);
            }
        }
        Self {
            name: prepared.name.clone(),
            ranked,
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
        self.change(step, |row| {
            row.tally.running += 1;
            row.since.get_or_insert(now);
        });
    }

    /// Notes that it is not known whether a task was done. A second report of the same changes nothing and returns false.
    pub(crate) fn doubted(&mut self, step: u32, reason: &str) -> bool {
        match self.has_ended.get_mut(step as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => return false,
        }
        let was_running = u64::from(self.running.remove(&step));
        let count = |tally: &mut Tally| {
            tally.running = tally.running.saturating_sub(was_running);
            tally.doubted += 1;
        };
        count(&mut self.tally);
        self.tell(step, reason, true);
        self.change(step, |row| {
            count(&mut row.tally);
            row.error.get_or_insert_with(|| reason.to_owned());
        });
        true
    }

    /// The rows to show where there is room for so many, in the order of the file.
    pub(crate) fn choose(&self, room: usize) -> Vec<&Row> {
        if self.rows.len() <= room {
            return self.rows.iter().collect();
        }
        let mut chosen: Vec<u32> = self.ranked.iter().flatten().take(room).copied().collect();
        chosen.sort_unstable();
        let rows = chosen.into_iter();
        rows.filter_map(|row| self.rows.get(row as usize)).collect()
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
        self.change(ended.step, |row| {
            row.tally.count(ended, was_running);
            row.took_us += ended.took_us;
            row.saved_us += ended.saved_us;
            row.elapsed_us = row.since.map_or(0, |since| micros(now, since));
            if row.error.is_none() {
                row.error = ended.error.map(str::to_owned);
            }
        });
        true
    }

    fn keep_error(&mut self, ended: &Ended<'_>) {
        if ended.status == Status::Error && ended.because.is_none() {
            self.tell(ended.step, ended.error.unwrap_or("no message"), false);
        }
    }

    fn tell(&mut self, step: u32, message: &str, is_doubt: bool) {
        // One more than is told, to know that there are more.
        if self.errors.len() <= MAX_ERRORS {
            self.errors.push(Told {
                label: self.label(step).to_owned(),
                message: message.to_owned(),
                is_doubt,
            });
        }
    }

    /// Changes the row of a step, and moves it to its new rank.
    fn change(&mut self, step: u32, change: impl FnOnce(&mut Row)) {
        let Some(index) = self.row_of.get(step as usize).copied() else {
            return;
        };
        let Some(row) = self.rows.get_mut(index as usize) else {
            return;
        };
        let before = row.mark().rank();
        change(row);
        let after = row.mark().rank();
        if before == after {
            return;
        }
        if let Some(rank) = self.ranked.get_mut(before) {
            rank.remove(&index);
        }
        if let Some(rank) = self.ranked.get_mut(after) {
            rank.insert(index);
        }
    }
}

/// What the tasks of a label do to the world, if it is more than computing.
fn badge(plan: &Plan, members: &[u32]) -> Option<Class> {
    let class = plan.class(*members.first()?);
    (class != Class::Pure).then_some(class)
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

#[cfg(test)]
pub(crate) mod tests {
    //! Without these, a run of a hundred thousand tasks would spend its time on being drawn.
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ui::frame::{self, Canvas};
    use crate::ui::term::Paint;
    use ipvm_ipld::{Cid, Ipld};
    use ipvm_node::Group;
    use ipvm_workflow::{Step, Task, WASM_RUN, WasmCall, Workflow};
    use std::collections::BTreeMap;
    use std::time::Duration;

    /// The board of a workflow of so many labels.
    pub(crate) fn board(labels: u32) -> Board {
        let step = |n: u32| Step {
            task: Task {
                sub: "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
                    .parse()
                    .unwrap(),
                cmd: WASM_RUN.parse().unwrap(),
                args: WasmCall {
                    module: Cid::default(),
                    function: "f".to_owned(),
                    args: vec![Ipld::Integer(n.into())],
                }
                .into_args(),
                nonce: Vec::new(),
            },
            config: None,
            rescue: None,
            undo: None,
        };
        let steps = (0..labels).map(|n| (format!("t{n:06}"), step(n)));
        let plan = Plan::of(Workflow {
            steps: steps.collect(),
            ..Workflow::default()
        });
        let group = |n: u32| Group {
            label: format!("t{n:06}"),
            members: vec![n],
        };
        let prepared = Prepared {
            name: "many".to_owned(),
            plan: Arc::new(plan.unwrap()),
            groups: (0..labels).map(group).collect(),
            outputs: Vec::new(),
            inputs: BTreeMap::new(),
            secrecy: Arc::default(),
            recipe: None,
        };
        Board::new(&prepared, Instant::now())
    }

    pub(crate) fn end(board: &mut Board, step: u32, status: Status) {
        let ended = Ended {
            step,
            status,
            memo: false,
            took_us: 1,
            saved_us: 0,
            because: None,
            error: (status == Status::Error).then_some("no"),
        };
        assert!(board.ended(&ended, Instant::now()));
        assert!(!board.ended(&ended, Instant::now()), "counted twice");
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_what_matters_is_shown() {
        let mut board = board(52);
        for step in 0..50 {
            board.started(step, Instant::now());
            end(&mut board, step, Status::Ok);
        }
        board.started(51, Instant::now());
        end(&mut board, 51, Status::Error);
        let labels = |board: &Board, room| {
            let chosen = board.choose(room);
            chosen
                .iter()
                .map(|row| row.label.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(labels(&board, 3), ["t000000", "t000050", "t000051"]);
        assert_eq!(labels(&board, 1), ["t000051"]);
        board.started(50, Instant::now());
        assert_eq!(labels(&board, 1), ["t000050"]);
        assert_eq!(labels(&board, 0), Vec::<String>::new());
        assert_eq!(board.choose(52).len(), 52);
    }

    /// Both the events and the pictures of a run with a thousand times the rows take about the same time each; it would
    /// be a thousand times as long if any of them went over all rows.
    #[test]
    fn the_cost_of_an_event_and_of_a_picture_does_not_grow_with_the_run() {
        let cost = |labels: u32| {
            let mut board = board(labels);
            let canvas = Canvas {
                lines: 40,
                columns: 80,
                paint: Paint::PLAIN,
                now: Instant::now(),
                turn: 0,
                stopping: false,
            };
            let clock = Instant::now();
            for step in 0..50 {
                board.started(step, Instant::now());
                end(&mut board, step, Status::Ok);
                let lines = frame::lines(&board, &canvas);
                assert!(lines.len() <= 40);
            }
            clock.elapsed()
        };
        let small = cost(60).max(Duration::from_millis(1));
        assert!(cost(60_000) < small * 60);
    }
}
