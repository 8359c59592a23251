//! Follows a run on stderr: a live tree on a terminal, one plain line per ended task elsewhere, nothing with
//! `--quiet`; one JSON object per ended task for a program that asks for it.

use super::board::{Board, Ended, MAX_ERRORS};
use super::frame::{self, Canvas};
use super::human::{clean, counted, duration};
use super::json;
use super::term::{self, Paint};
use crate::cli::ProgressForm;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ipvm_node::{Cancel, Progress, Status};
use ipvm_workflow::{Plan, Secrecy};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two pictures of the live tree.
const REDRAW: Duration = Duration::from_millis(90);
/// Lines of the terminal that the live tree leaves free.
const MARGIN: usize = 2;
/// Most rows of the last picture, which stays on the screen.
const LAST_ROWS: usize = 60;

/// Who is told what happens in a run.
pub(crate) enum Follower {
    /// A person, by a tree.
    Live(LiveTree),
    /// A log or a person who reads one, by lines.
    Lines(Boards),
    /// A program, by JSON objects.
    Json(Vec<Option<Followed>>),
    /// Nobody.
    Nobody,
}

/// The boards of several runs, each from its run's beginning.
type Boards = Vec<Option<Box<Board>>>;

/// A run as a program follows it.
pub(crate) struct Followed {
    name: String,
    plan: Arc<Plan>,
    secrecy: Arc<Secrecy>,
}

impl Follower {
    /// The follower of so many runs that was asked for, or the one that fits stderr and `--quiet`. The tree shows when
    /// `stopping` is set.
    pub(crate) fn new(form: ProgressForm, quiet: bool, runs: usize, stopping: &Cancel) -> Self {
        match form {
            ProgressForm::Json => Self::Json((0..runs).map(|_| None).collect()),
            ProgressForm::Auto if quiet => Self::Nobody,
            ProgressForm::Auto if term::is_live() => {
                Self::Live(LiveTree::new(runs, stopping.clone()))
            }
            ProgressForm::Auto => Self::Lines(no_boards(runs)),
        }
    }

    /// Takes in one event of the run with this number.
    pub(crate) fn observe(&mut self, run: usize, progress: &Progress<'_>) {
        match self {
            Self::Live(tree) => tree.observe(run, progress),
            Self::Lines(boards) => plain(boards, run, progress),
            Self::Json(runs) => told_as_json(runs, run, progress),
            Self::Nobody => {}
        }
    }

    /// Ends the following; on a terminal the last picture and the errors in full stay on the screen.
    pub(crate) fn finish(self) {
        if let Self::Live(tree) = self {
            tree.finish();
        }
    }
}

/// Applies an event to the board, and tells of each step that ended by it.
fn apply(
    board: &mut Option<Box<Board>>,
    progress: &Progress<'_>,
    mut told: impl FnMut(&Board, &Ended<'_>),
) {
    let now = Instant::now();
    match (progress, board.as_mut()) {
        (Progress::Began { prepared }, _) => {
            *board = Some(Box::new(Board::new(prepared, now)));
        }
        (Progress::Started { step }, Some(board)) => board.started(*step, now),
        (
            Progress::Ended {
                step,
                status,
                memo,
                took_us,
                saved_us,
                because,
                error,
                ..
            },
            Some(board),
        ) => {
            let because_of = because.map(|input| format!("because of {}", board.label(input)));
            let ended = Ended {
                step: *step,
                status: *status,
                memo: *memo,
                took_us: *took_us,
                saved_us: *saved_us,
                because: *because,
                error: because_of.as_deref().or(error.as_deref()),
            };
            if board.ended(&ended, now) {
                told(board, &ended);
            }
        }
        (Progress::Doubted { step, reason }, Some(board)) => {
            board.doubted(*step, reason);
        }
        (_, None) => {}
    }
}

fn no_boards(runs: usize) -> Boards {
    (0..runs).map(|_| None).collect()
}

fn plain(boards: &mut Boards, run: usize, progress: &Progress<'_>) {
    let several = boards.len() > 1;
    let Some(board) = boards.get_mut(run) else {
        return;
    };
    if let (Progress::Doubted { step, reason }, Some(board)) = (progress, board.as_ref()) {
        let label = clean(board.label(*step));
        term::note(&format!("in-doubt {label}: {}", clean(reason)));
    }
    apply(board, progress, |board, ended| {
        let label = board.label(ended.step);
        let told = match several {
            true => line(&format!("{}/{label}", board.name), ended),
            false => line(label, ended),
        };
        term::note(&told);
    });
}

/// One ended task: `ok small 41 ms`, `memo small saved 41 ms`, `error small: reason`.
fn line(label: &str, ended: &Ended<'_>) -> String {
    let label = clean(label);
    match (ended.status, ended.memo) {
        (Status::Error, _) => error_line(&label, ended.error.unwrap_or("no message")),
        (_, true) => format!("memo {label} saved {}", duration(ended.saved_us)),
        (_, false) => format!("ok {label} {}", duration(ended.took_us)),
    }
}

/// One object a line for each ended task; its keys are those of the tasks in `run --json`.
fn told_as_json(runs: &mut [Option<Followed>], run: usize, progress: &Progress<'_>) {
    let several = runs.len() > 1;
    let Some(followed) = runs.get_mut(run) else {
        return;
    };
    if let Progress::Began { prepared } = progress {
        *followed = Some(Followed {
            name: prepared.name.clone(),
            plan: Arc::clone(&prepared.plan),
            secrecy: Arc::clone(&prepared.secrecy),
        });
    }
    if let (Progress::Doubted { step, reason }, Some(run)) = (progress, followed.as_ref()) {
        let mut object = Vec::new();
        let written = json::object(&mut object, |o| {
            if several {
                o.text("name", &run.name)?;
            }
            o.text("step", run.plan.label(*step).unwrap_or_default())?;
            o.text("status", Status::InDoubt.as_str())?;
            o.text("error", reason)
        });
        if written.is_ok() {
            term::note(&String::from_utf8_lossy(&object));
        }
    }
    let Progress::Ended {
        step,
        receipt,
        status,
        memo,
        took_us,
        saved_us,
        because,
        error,
    } = progress
    else {
        return;
    };
    let label = |step: u32| followed.as_ref()?.plan.label(step);
    let name = followed.as_ref().filter(|_| several).map(|run| &run.name);
    let mut object = Vec::new();
    let written = json::object(&mut object, |o| {
        if let Some(name) = name {
            o.text("name", name)?;
        }
        o.text("step", label(*step).unwrap_or_default())?;
        let is_secret = followed.as_ref().is_some_and(|run| run.secrecy.has(*step));
        let receipt = (!is_secret).then(|| receipt.to_string());
        o.maybe("receipt", receipt.as_deref())?;
        o.text("status", status.as_str())?;
        o.flag("memo", *memo)?;
        o.number("took_us", *took_us)?;
        o.number("saved_us", *saved_us)?;
        o.maybe("because", because.and_then(label))?;
        o.maybe("error", error.as_deref())
    });
    // Memory takes every write.
    if written.is_ok() {
        term::note(&String::from_utf8_lossy(&object));
    }
}

fn error_line(label: &str, message: &str) -> String {
    format!("error {}: {}", clean(label), clean(message))
}

/// A tree that a thread of its own redraws, so that an event costs no drawing and a long task still shows time
/// going by.
pub(crate) struct LiveTree {
    shared: Arc<Shared>,
    bar: ProgressBar,
    drawer: Option<JoinHandle<()>>,
}

struct Shared {
    boards: Mutex<Boards>,
    wake: Condvar,
    over: AtomicBool,
    stopping: Cancel,
}

impl Shared {
    /// The boards, whatever happened to a thread that held them: they are only counted and drawn.
    fn boards(&self) -> MutexGuard<'_, Boards> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveTree {
    fn new(runs: usize, stopping: Cancel) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(20);
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        let shared = Arc::new(Shared {
            boards: Mutex::new(no_boards(runs)),
            wake: Condvar::new(),
            over: AtomicBool::new(false),
            stopping,
        });
        let (theirs, their_bar) = (Arc::clone(&shared), bar.clone());
        let drawer = std::thread::Builder::new()
            .name("ipvm-tree".into())
            .spawn(move || draw_until_over(&theirs, &their_bar));
        Self {
            shared,
            bar,
            drawer: drawer.ok(),
        }
    }

    fn observe(&mut self, run: usize, progress: &Progress<'_>) {
        if let Some(board) = self.shared.boards().get_mut(run) {
            apply(board, progress, |_, _| ());
        }
    }

    fn finish(mut self) {
        self.stop_drawing();
        self.bar.finish_and_clear();
        let boards = self.shared.boards();
        let paint = Paint::stderr();
        let (_, columns) = term::size();
        for board in boards.iter().flatten() {
            let canvas = Canvas {
                lines: LAST_ROWS + 1,
                columns,
                paint,
                now: Instant::now(),
                turn: 0,
                stopping: false,
            };
            last_picture(board, &canvas);
        }
    }

    fn stop_drawing(&mut self) {
        {
            let _boards = self.shared.boards();
            self.shared.over.store(true, Ordering::Release);
            self.shared.wake.notify_all();
        }
        if let Some(drawer) = self.drawer.take() {
            // A panic of the drawer has spoiled a picture, not the run.
            let _ = drawer.join();
        }
    }
}

impl Drop for LiveTree {
    /// A run that fails to start or to go on leaves no half-drawn tree and no thread behind.
    fn drop(&mut self) {
        self.stop_drawing();
        self.bar.finish_and_clear();
    }
}

/// What stays on the screen of a run: its rows, and its errors in full.
fn last_picture(board: &Board, canvas: &Canvas) {
    for line in frame::lines(board, canvas) {
        term::note(&line);
    }
    for told in board.errors.iter().take(MAX_ERRORS) {
        let word = match told.is_doubt {
            true => canvas.paint.busy("in-doubt"),
            false => canvas.paint.bad("error"),
        };
        let (label, message) = (clean(&told.label), clean(&told.message));
        term::note(&format!("{word} {label}: {message}"));
    }
    if board.errors.len() > MAX_ERRORS {
        let failed = counted(board.tally.failed, "task");
        term::note(&format!(
            "… {failed} failed in all; `ipvm workflow show` lists them"
        ));
    }
}

fn draw_until_over(shared: &Shared, bar: &ProgressBar) {
    let paint = Paint::stderr();
    let mut guard = shared.boards();
    for turn in 0.. {
        // Before waiting, too: a run from memory is over before this thread starts.
        if shared.over.load(Ordering::Acquire) {
            return;
        }
        let waited = shared.wake.wait_timeout(guard, REDRAW);
        guard = waited.unwrap_or_else(PoisonError::into_inner).0;
        if shared.over.load(Ordering::Acquire) {
            return;
        }
        let (rows, columns) = term::size();
        let canvas = Canvas {
            lines: rows.saturating_sub(MARGIN),
            columns: columns - 1,
            paint,
            now: Instant::now(),
            turn,
            stopping: shared.stopping.is_cancelled(),
        };
        let boards: Vec<&Board> = guard.iter().flatten().map(|board| &**board).collect();
        if boards.is_empty() {
            continue;
        }
        let picture = frame::all(&boards, &canvas).join("\n");
        drop(guard);
        bar.set_message(picture);
        guard = shared.boards();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_was_durably_done() {
        let ended = |status, memo, took_us, saved_us, error| Ended {
            step: 0,
            status,
            memo,
            took_us,
            saved_us,
            because: None,
            error,
        };
        for (ended, expect) in [
            (ended(Status::Ok, false, 41_000, 0, None), "ok small 41 ms"),
            (
                ended(Status::Ok, true, 0, 41_000, None),
                "memo small saved 41 ms",
            ),
            (
                ended(Status::Error, false, 5, 0, Some("no\nimage")),
                "error small: no\\nimage",
            ),
        ] {
            assert_eq!(line("small", &ended), expect);
        }
    }
}
