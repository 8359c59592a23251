//! From the state of a run to the lines of one picture of it.

use super::board::{Board, Mark, Row, micros};
use super::human::{clean, clip, count, duration};
use super::term::Paint;
use ipvm_workflow::Class;
use std::time::Instant;

/// Columns of a group's bar.
const BAR: u64 = 20;
/// Widest label shown in full.
const LABEL: usize = 32;
/// Fewest lines of a run beside others.
const RUN_LINES: usize = 3;
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// What a picture may take up and how it looks.
pub(crate) struct Canvas {
    /// Most lines.
    pub(crate) lines: usize,
    /// Most columns in a line.
    pub(crate) columns: usize,
    pub(crate) paint: Paint,
    pub(crate) now: Instant,
    /// Counts the pictures, to turn the spinner.
    pub(crate) turn: usize,
    /// The user asked to stop.
    pub(crate) stopping: bool,
}

/// The picture: a heading, then one line per row; rows beyond what fits are counted in a last line.
pub(crate) fn lines(board: &Board, canvas: &Canvas) -> Vec<String> {
    let room = canvas.lines.saturating_sub(1).max(1);
    // Where not all have room, the last line counts the rest.
    let shown = if board.rows.len() <= room {
        board.choose(room)
    } else {
        board.choose(room - 1)
    };
    let hidden = board.rows.len() - shown.len();
    let width = shown.iter().map(|row| label_width(row)).max().unwrap_or(0);
    let mut lines = vec![heading(board, canvas)];
    for (place, row) in shown.iter().enumerate() {
        let last = hidden == 0 && place + 1 == shown.len();
        let branch = canvas.paint.dim(if last { "└" } else { "├" });
        let line = format!("{branch} {}", row_line(row, width, canvas));
        lines.push(line.trim_end().to_owned());
    }
    if hidden > 0 {
        let more = format!("└ … {} more", count(hidden as u64));
        lines.push(canvas.paint.dim(&more));
    }
    lines
        .iter()
        .map(|line| clip(line, canvas.columns).into_owned())
        .collect()
}

/// The pictures of several runs in one: each has its share of the lines, and runs beyond what fits are counted.
pub(crate) fn all(boards: &[&Board], canvas: &Canvas) -> Vec<String> {
    if let [board] = boards {
        return lines(board, canvas);
    }
    let most = (canvas.lines / RUN_LINES).max(1);
    let hidden = boards.len().saturating_sub(most);
    let shown = boards.len() - hidden;
    let room = canvas.lines.saturating_sub(usize::from(hidden > 0));
    let canvas_of_one = Canvas {
        lines: (room / shown.max(1)).max(2),
        ..*canvas
    };
    let mut picture: Vec<String> = boards
        .iter()
        .take(shown)
        .flat_map(|board| lines(board, &canvas_of_one))
        .collect();
    if hidden > 0 {
        picture.push(
            canvas
                .paint
                .dim(&format!("… {} more runs", count(hidden as u64))),
        );
    }
    picture
}

fn heading(board: &Board, canvas: &Canvas) -> String {
    let tally = &board.tally;
    let mut parts = vec![format!(
        "{}/{} done",
        count(tally.ended),
        count(board.total)
    )];
    let counts = [
        (tally.running, "running"),
        (tally.memo, "from memory"),
        (tally.failed, "failed"),
        (tally.doubted, "in doubt"),
    ];
    for (n, what) in counts {
        if n > 0 {
            parts.push(format!("{} {what}", count(n)));
        }
    }
    if board.saved_us > 0 {
        parts.push(format!("saved {}", duration(board.saved_us)));
    }
    parts.push(duration(micros(canvas.now, board.began)));
    if canvas.stopping {
        parts.push("stopping; Ctrl-C again ends at once".to_owned());
    }
    let name = canvas.paint.bold(&clip(&clean(&board.name), LABEL));
    format!("{name}  {}", parts.join(" · "))
}

fn label_width(row: &Row) -> usize {
    console::measure_text_width(&clean(&row.label)).min(LABEL)
}

fn row_line(row: &Row, width: usize, canvas: &Canvas) -> String {
    let paint = canvas.paint;
    let mark = row.mark();
    let sign = match mark {
        Mark::Waiting => paint.dim("·"),
        Mark::Running => paint.busy(SPINNER.get(canvas.turn % SPINNER.len()).unwrap_or(&"•")),
        Mark::Ok => paint.good("✓"),
        Mark::Memo => paint.memo("↺"),
        Mark::Failed => paint.bad("✗"),
        Mark::Doubted => paint.busy("?"),
    };
    let label = clean(&row.label);
    let label = console::pad_str(&label, width, console::Alignment::Left, Some("…"));
    let told = if row.is_group() {
        group(row, canvas)
    } else {
        single(row, canvas)
    };
    let badge = row.badge.map_or("", Class::as_str);
    match badge {
        "" => format!("{sign} {label}  {told}"),
        badge => format!("{sign} {label}  {}  {told}", paint.dim(badge)),
    }
}

fn single(row: &Row, canvas: &Canvas) -> String {
    match row.mark() {
        Mark::Waiting => canvas.paint.dim("waiting"),
        Mark::Running => row
            .since
            .map_or_else(String::new, |since| duration(micros(canvas.now, since))),
        Mark::Ok => duration(row.took_us),
        Mark::Memo => canvas.paint.memo(&saved(row)),
        Mark::Failed => canvas
            .paint
            .bad(&clean(row.error.as_deref().unwrap_or("error"))),
        Mark::Doubted => {
            let reason = clean(row.error.as_deref().unwrap_or_default());
            canvas.paint.busy(&format!("in doubt: {reason}"))
        }
    }
}

fn group(row: &Row, canvas: &Canvas) -> String {
    let tally = &row.tally;
    let full = (BAR * tally.ended).checked_div(row.total).unwrap_or(BAR);
    let bar = ["█".repeat(full as usize), "░".repeat((BAR - full) as usize)].concat();
    let mut parts = vec![format!("{}/{}", count(tally.ended), count(row.total))];
    let unfinished = tally.ended < row.total;
    if unfinished && tally.running > 0 {
        parts.push(format!("{} running", count(tally.running)));
    }
    let elapsed = match row.since {
        Some(since) if unfinished => micros(canvas.now, since),
        _ => row.elapsed_us,
    };
    if elapsed > 0 {
        parts.push(duration(elapsed));
    }
    if tally.memo > 0 {
        let text = format!("{} from memory, {}", count(tally.memo), saved(row));
        parts.push(canvas.paint.memo(&text));
    }
    if tally.doubted > 0 {
        let text = format!("{} in doubt", count(tally.doubted));
        parts.push(canvas.paint.busy(&text));
    }
    if tally.failed > 0 {
        let reason = row
            .error
            .as_deref()
            .map(|error| format!(": {}", clean(error)))
            .unwrap_or_default();
        parts.push(
            canvas
                .paint
                .bad(&format!("{} failed{reason}", count(tally.failed))),
        );
    }
    format!("{bar}  {}", parts.join(" · "))
}

fn saved(row: &Row) -> String {
    match row.saved_us {
        0 => "reused".to_owned(),
        us => format!("saved {}", duration(us)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ui::board::Tally;

    fn row(label: &str, total: u64, tally: Tally) -> Row {
        Row {
            label: label.to_owned(),
            total,
            tally,
            since: None,
            took_us: 41_000,
            elapsed_us: 41_000,
            saved_us: 1_500,
            error: (tally.failed > 0).then(|| "not an image\u{1b}[2J".to_owned()),
            badge: None,
        }
    }

    fn tally(running: u64, ended: u64, memo: u64, failed: u64) -> Tally {
        Tally {
            running,
            executed: ended - memo,
            memo,
            failed,
            ended,
            doubted: 0,
        }
    }

    fn canvas(lines: usize, now: Instant) -> Canvas {
        Canvas {
            lines,
            columns: 80,
            paint: Paint::PLAIN,
            now,
            turn: 0,
            stopping: false,
        }
    }

    #[test]
    fn a_row_tells_its_state_and_cannot_drive_the_terminal() {
        let now = Instant::now();
        for (row, expect) in [
            (row("a", 1, tally(0, 0, 0, 0)), "· a  waiting"),
            (row("a", 1, tally(0, 1, 0, 0)), "✓ a  41 ms"),
            (row("a", 1, tally(0, 1, 1, 0)), "↺ a  saved 1.5 ms"),
            (
                row("a", 1, tally(0, 1, 0, 1)),
                "✗ a  not an image\\u{1b}[2J",
            ),
            (
                row("a", 200, tally(2, 50, 0, 0)),
                "⠋ a  █████░░░░░░░░░░░░░░░  50/200 · 2 running · 41 ms",
            ),
            (
                row("a", 200, tally(0, 200, 100, 1)),
                "✗ a  ████████████████████  200/200 · 41 ms · 100 from memory, saved 1.5 ms · 1 failed: not an image\\u{1b}[2J",
            ),
            (
                row("none", 0, tally(0, 0, 0, 0)),
                "✓ none  ████████████████████  0/0 · 41 ms",
            ),
        ] {
            assert_eq!(row_line(&row, row.label.len(), &canvas(9, now)), expect);
        }
    }

    /// Without this, whoever watches would take a mail for a computation, or one of unknown outcome for one that was sent.
    #[test]
    fn a_row_says_what_it_does_to_the_world_and_what_is_in_doubt() {
        let (now, doubt) = (Instant::now(), |tally: Tally| Tally {
            doubted: 1,
            ..tally
        });
        let done = row("mail", 1, tally(0, 1, 0, 0));
        let lost = Row {
            error: Some("no answer".to_owned()),
            ..row("mail", 1, doubt(tally(0, 0, 0, 0)))
        };
        let many = row("mail", 4, doubt(tally(0, 3, 0, 0)));
        for (class, row, expect) in [
            (Class::Mutation, done, "✓ mail  mutation  41 ms"),
            (
                Class::Query,
                row("mail", 1, tally(0, 0, 0, 0)),
                "· mail  query  waiting",
            ),
            (
                Class::Mutation,
                lost,
                "? mail  mutation  in doubt: no answer",
            ),
            (
                Class::Idempotent,
                many,
                "? mail  idempotent  ███████████████░░░░░  3/4 · 41 ms · 1 in doubt",
            ),
        ] {
            let row = Row {
                badge: Some(class),
                ..row
            };
            assert_eq!(row_line(&row, 4, &canvas(9, now)), expect);
        }
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let board = crate::ui::board::tests::board(60);
        let lines = |room: usize| lines(&board, &canvas(room, board.began));
        assert_eq!(lines(61).len(), 61);
        let cut = lines(4);
        assert_eq!(cut[0], "many  0/60 done · 0 µs");
        assert_eq!(
            cut[1..],
            [
                "├ · t000000  waiting",
                "├ · t000001  waiting",
                "└ … 58 more"
            ]
        );
    }

    #[test]
    fn several_runs_share_the_lines() {
        let board = crate::ui::board::tests::board(60);
        let boards = [&board, &board, &board, &board];
        let picture = all(&boards, &canvas(10, board.began));
        assert!(picture.len() <= 10, "{picture:#?}");
        let headings = picture.iter().filter(|line| line.starts_with("many  0/60"));
        assert_eq!(headings.count(), 3);
        assert_eq!(picture.last().map(String::as_str), Some("… 1 more runs"));
        let all_of_them = all(&boards, &canvas(24, board.began));
        assert_eq!(all_of_them.len(), 24);
    }
}
