//! Target 11: `ipvm run` is killed, and the same command goes on: how long until the next new task is acknowledged, and
//! whether anything that had a receipt is run again. Real processes, and a real SIGKILL.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ipvm_node::{Access, Node};
use rusqlite::Connection;

use super::measure::{Figure, Plan, Row};
use super::setting::Setting;
use super::workflows::{Folder, Shape};

/// One way to be killed.
struct Case<'a> {
    name: &'a str,
    home: &'a Path,
    shape: Shape,
    tasks: usize,
    /// The process is killed once so many tasks are acknowledged.
    kill_at: usize,
    conditions: &'a str,
}

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let binary = setting.binary()?;
    let folder = Folder::new(setting)?;
    let chain = Case {
        name: "11 resume after kill -9",
        home: &folder.path().join("home"),
        shape: Shape::Chain,
        tasks: setting.count(1_000, 60),
        kill_at: setting.count(300, 20),
        conditions: "killed at task 300 of a chain of 1,000; spawn to the next new task's acknowledgement",
    };
    let small = measure(setting, &binary, &folder, &chain)?;
    let large = match &setting.large {
        Some(large) => measure(
            setting,
            &binary,
            &folder,
            &Case {
                name: &format!("{}, {}", chain.name, large.name()),
                home: &large.home,
                shape: Shape::Wide,
                tasks: setting.count(30_000, 300),
                kill_at: setting.count(10_000, 20),
                conditions: "killed at task 10,000 of 30,000 with 64 in flight; spawn to the next new task's acknowledgement",
            },
        )?,
        None => Setting::without_large(chain.name),
    };
    Ok(vec![small, large])
}

fn measure(setting: &Setting, binary: &Path, folder: &Folder, case: &Case<'_>) -> Result<Row> {
    let queue = queue(folder.path(), case.tasks)?;
    let (mut again, mut killed) = (0, 0);
    let plan = Plan {
        name: case.name,
        floor: "spawn of `true` + reading the steps' rows from SQLite",
        target: "≤ 50 ms; 0 run again",
        conditions: case.conditions,
        rounds: setting.count(10, 1),
    };
    let figure = Figure::measure_timed(
        &plan,
        |_| {
            let began = Instant::now();
            Command::new("true").status()?;
            let rows = read_queue(&queue)?;
            ensure!(rows == case.tasks, "{rows} rows");
            Ok(began.elapsed().as_secs_f64() * 1e6)
        },
        |_| {
            let file = folder.write(setting, case.shape, case.tasks)?;
            let acknowledged = kill(&mut start(binary, case.home, &file)?, case)?;
            killed += 1;
            let resumed = resume(binary, case.home, &file)?;
            again += resumed.executed.intersection(&acknowledged).count();
            again += run_twice(case)?;
            Ok(resumed.first_us)
        },
    )?;
    let figure = figure
        .counted("processes killed", f64::from(killed), "")
        .counted("receipted tasks run again", again as f64, "");
    Ok(figure.into())
}

fn start(binary: &Path, home: &Path, file: &Path) -> Result<Child> {
    Command::new(binary)
        .arg("run")
        .arg(file)
        .env("IPVM_HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting ipvm")
}

/// The label of a task that this process executed, from the line that says so.
fn executed(line: &str) -> Option<&str> {
    line.strip_prefix("ok ")?.split(' ').next()
}

/// The next line; `None` at the end, where a process that was killed may leave a part of one.
fn whole_line(lines: &mut impl BufRead) -> Result<Option<String>> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    Ok(line.strip_suffix('\n').map(str::to_owned))
}

/// Kills the process in the middle of its work; returns the tasks that it had acknowledged.
fn kill(child: &mut Child, case: &Case<'_>) -> Result<HashSet<String>> {
    let stderr = child.stderr.take().context("its stderr")?;
    let mut acknowledged = HashSet::new();
    let mut is_killed = false;
    let mut lines = BufReader::new(stderr);
    while let Some(line) = whole_line(&mut lines)? {
        let label = executed(&line).with_context(|| format!("ipvm said: {line}"))?;
        acknowledged.insert(label.to_owned());
        if acknowledged.len() >= case.kill_at && !is_killed {
            child.kill()?;
            is_killed = true;
        }
    }
    let status = child.wait()?;
    #[cfg(unix)]
    ensure!(
        std::os::unix::process::ExitStatusExt::signal(&status) == Some(9),
        "it was to be killed, and ended with {status}"
    );
    ensure!(
        is_killed && acknowledged.len() < case.tasks,
        "killed too late: {} of {} tasks, {status}",
        acknowledged.len(),
        case.tasks
    );
    Ok(acknowledged)
}

/// What the second process did.
struct Resumed {
    /// From its spawn to the acknowledgement of the first task that it executed, in microseconds.
    first_us: f64,
    executed: HashSet<String>,
}

fn resume(binary: &Path, home: &Path, file: &Path) -> Result<Resumed> {
    let began = Instant::now();
    let mut child = start(binary, home, file)?;
    let stderr = child.stderr.take().context("its stderr")?;
    let (mut first_us, mut done) = (None, HashSet::new());
    let mut lines = BufReader::new(stderr);
    while let Some(line) = whole_line(&mut lines)? {
        if let Some(label) = executed(&line) {
            first_us.get_or_insert_with(|| began.elapsed().as_secs_f64() * 1e6);
            done.insert(label.to_owned());
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "the second process ended with {status}");
    Ok(Resumed {
        first_us: first_us.context("the second process executed nothing")?,
        executed: done,
    })
}

/// Tasks of the latest run that were executed although they had a receipt, acknowledged or not: they have two.
fn run_twice(case: &Case<'_>) -> Result<usize> {
    let node = Node::open(case.home, Access::Read)?;
    let runs = node.runs(1)?;
    let report = node.run_report(runs.first().context("the run")?)?;
    ensure!(report.steps.len() == case.tasks, "it is another run");
    let mut twice = 0;
    for step in report.steps.iter() {
        let receipts = node.receipts_of_task(&step.task)?.len();
        ensure!(receipts > 0, "{} has no receipt", step.label);
        twice += receipts - 1;
    }
    Ok(twice)
}

/// A database with one row for each step.
fn queue(folder: &Path, steps: usize) -> Result<std::path::PathBuf> {
    let path = folder.join(format!("queue-{steps}.db"));
    let connection = Connection::open(&path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE step (run INTEGER, idx INTEGER, state INTEGER, receipt INTEGER, PRIMARY KEY (run, idx)) WITHOUT ROWID;
         BEGIN",
    )?;
    for index in 0..steps {
        connection
            .prepare_cached("INSERT INTO step VALUES (1, ?1, 1, ?1)")?
            .execute([i64::try_from(index)?])?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(path)
}

fn read_queue(path: &Path) -> Result<usize> {
    let connection = Connection::open(path)?;
    let mut select =
        connection.prepare("SELECT idx, state, receipt FROM step WHERE run = 1 ORDER BY idx")?;
    let mut rows = select.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let _receipt: i64 = row.get(2)?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    //! Without these a memo hit, or half a line, could be counted as a task that was executed.
    #![allow(clippy::unwrap_used)]

    use super::{executed, whole_line};

    #[test]
    fn only_executed_tasks_count() {
        for (line, expected) in [
            ("ok t[12] 41 ms", Some("t[12]")),
            ("memo t[12] saved 41 ms", None),
            ("done: 12 tasks", None),
        ] {
            assert_eq!(executed(line), expected, "{line}");
        }
    }

    #[test]
    fn what_a_killed_process_left_of_a_line_is_none() {
        let mut lines = "ok t[1] 4 µs\nok t[1".as_bytes();
        assert_eq!(whole_line(&mut lines).unwrap().unwrap(), "ok t[1] 4 µs");
        assert!(whole_line(&mut lines).unwrap().is_none());
    }
}
