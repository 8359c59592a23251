//! Several processes and crashes. Without these: an acknowledged receipt could be lost by `kill -9`, two processes
//! could write at once, or a reader could see less than what is committed.
//!
//! The other process is this test binary itself, told by an environment variable to do one thing.

use crate::fixture::{keys_of, put_block, receipt_of, run, serials};
use ipvm_store::{Batch, INLINE_BYTES_MAX, RunId, StepState, StepUpdate, Store, StoreError};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const ROLE: &str = "IPVM_STORE_TEST_ROLE";
const HOME: &str = "IPVM_STORE_TEST_HOME";
/// Start of a line that the other process means for us; the test harness prints lines of its own.
const MARK: &str = "@@";

/// Starts the other process.
fn start(role: &str, home: &Path) -> (Child, Lines) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "processes::other_process",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROLE, role)
        .env(HOME, home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = Lines(BufReader::new(child.stdout.take().unwrap()));
    (child, lines)
}

/// What the other process says.
struct Lines(BufReader<ChildStdout>);

impl Lines {
    /// The next line meant for us; `None` when the process has ended. A line without its end was cut by the kill.
    fn next(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            let line = line.strip_suffix('\n')?;
            if let Some((_, said)) = line.split_once(MARK) {
                return Some(said.to_owned());
            }
        }
    }
}

fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{what}").unwrap();
    out.flush().unwrap();
}

/// Not a test of its own: what the other process does. Without the variable it does nothing.
#[test]
fn other_process() {
    let (Ok(role), Ok(home)) = (std::env::var(ROLE), std::env::var(HOME)) else {
        return;
    };
    match role.as_str() {
        "commit" => commit_until_killed(Path::new(&home)),
        "hold" => hold_until_told(Path::new(&home)),
        other => panic!("unknown role {other}"),
    }
}

/// Commits without end: small batches through the queue, each with receipts, steps and now and then a large block.
fn commit_until_killed(home: &Path) {
    let store = Store::open(home, keys_of).unwrap();
    let first = store.stat().unwrap().receipts;
    let id = store.new_run_id();
    let mut batch = Batch::new();
    batch.run(run(id, 1));
    store.commit(batch).unwrap();
    for serial in first.. {
        let mut batch = Batch::new();
        let made = batch.receipt(receipt_of(serial, 1 + serial % 5, serial, 700));
        batch.step(StepUpdate {
            run: id,
            index: serial as u32,
            state: StepState::Ok,
            receipt: Some(made),
        });
        batch.block(large_block(serial));
        store.submit(
            batch,
            Box::new(move |durable| {
                durable.unwrap();
                say(&format!("{} {serial}", id.0));
            }),
        );
    }
}

/// A file for every fifth, else a row.
fn large_block(serial: u64) -> ipvm_ipld::Block {
    let size = if serial.is_multiple_of(5) {
        INLINE_BYTES_MAX + 1
    } else {
        100
    };
    let mut data = vec![0_u8; size];
    data.splice(..8, serial.to_be_bytes());
    ipvm_ipld::Block::new(ipvm_ipld::codec::RAW, data)
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let home = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for acknowledgements in [1, 40, 300, 1_500] {
        let (mut child, mut lines) = start("commit", home.path());
        let mut heard = 0;
        while heard < acknowledgements {
            acknowledged.push(lines.next().unwrap());
            heard += 1;
        }
        child.kill().unwrap();
        // What it said before it died counts too.
        while let Some(line) = lines.next() {
            acknowledged.push(line);
        }
        let status = child.wait().unwrap();
        assert!(!status.success(), "it was killed and did not end by itself");
        check_acknowledged(home.path(), &acknowledged);
    }
    let store = Store::open(home.path(), keys_of).unwrap();
    let mut damage = Vec::new();
    store
        .verify(&mut |event| match event {
            ipvm_store::VerifyEvent::Finding(finding) if finding.is_damage() => {
                damage.push(finding)
            }
            _ => {}
        })
        .unwrap();
    assert!(damage.is_empty(), "{damage:?}");
}

/// Every acknowledged receipt is found, with its step and its block, and no batch is there in part.
fn check_acknowledged(home: &Path, acknowledged: &[String]) {
    let store = Store::open(home, keys_of).unwrap();
    for line in acknowledged {
        let (run, serial) = line.split_once(' ').unwrap();
        let (run, serial): (i64, u64) = (run.parse().unwrap(), serial.parse().unwrap());
        assert_eq!(
            serials(&store, serial),
            [serial],
            "receipt {serial} was acknowledged"
        );
        let steps = store.steps(RunId(run)).unwrap();
        assert!(
            steps
                .iter()
                .any(|step| u64::from(step.index) == serial && step.state == StepState::Ok)
        );
        let block = large_block(serial);
        assert_eq!(
            store.get(block.cid()).unwrap().as_deref(),
            Some(block.data())
        );
    }
    for run in store.runs(&ipvm_store::RunFilter::All, None, 100).unwrap() {
        for step in store.steps(run.id).unwrap() {
            let receipt = store.receipt_at(step.receipt.unwrap()).unwrap().unwrap();
            assert_eq!(crate::fixture::serial(&receipt), u64::from(step.index));
        }
    }
}

/// Opens for writing, stores one receipt each time it is told to, and ends when its input does.
fn hold_until_told(home: &Path) {
    let store = Store::open(home, keys_of).unwrap();
    say("open");
    for (serial, _) in std::io::stdin().lock().lines().enumerate() {
        let mut batch = Batch::new();
        batch.receipt(receipt_of(1, 1, serial as u64, 0));
        store.commit(batch).unwrap();
        put_block(&store, &serial.to_be_bytes());
        say("stored");
    }
}

#[test]
fn a_second_process_reads_but_does_not_write() {
    let home = tempfile::tempdir().unwrap();
    let (mut child, mut lines) = start("hold", home.path());
    assert_eq!(lines.next().as_deref(), Some("open"));
    let error = Store::open(home.path(), keys_of).err().unwrap();
    assert!(
        matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == child.id()),
        "{error}"
    );
    assert!(
        error.to_string().contains(&child.id().to_string()),
        "{error}"
    );

    let reader = Store::open_read_only(home.path(), keys_of).unwrap();
    assert!(serials(&reader, 1).is_empty());
    let mut stdin = child.stdin.take().unwrap();
    for count in 1..=20_u64 {
        writeln!(stdin).unwrap();
        assert_eq!(lines.next().as_deref(), Some("stored"));
        assert_eq!(serials(&reader, 1), (0..count).collect::<Vec<_>>());
        let cid = ipvm_ipld::cid_of(ipvm_ipld::codec::RAW, &(count - 1).to_be_bytes());
        assert!(reader.has(&cid).unwrap());
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(serials(&reader, 1).len(), 20);
    let writer = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(
        serials(&writer, 1).len(),
        20,
        "the lock went with its holder"
    );
}

/// A reader sees each receipt as soon as it is acknowledged, while the writer is at full load, and keeps all of them when
/// it is killed; the lock goes with the killed one.
#[test]
fn a_reader_reads_under_load_and_past_the_writers_death() {
    let home = tempfile::tempdir().unwrap();
    let (mut child, mut lines) = start("commit", home.path());
    let first = lines.next().unwrap();
    let reader = Store::open_read_only(home.path(), keys_of).unwrap();
    let serial = |line: &str| line.split_once(' ').unwrap().1.parse::<u64>().unwrap();
    let mut heard = vec![serial(&first)];
    let mut most = 0;
    for turn in 0..600 {
        let line = lines.next().unwrap();
        heard.push(serial(&line));
        let last = *heard.last().unwrap();
        assert_eq!(
            serials(&reader, last),
            [last],
            "acknowledged, so it is seen"
        );
        if turn % 50 == 0 {
            let receipts = reader.stat().unwrap().receipts;
            assert!(receipts > most, "it grows under the reader");
            most = receipts;
            let second = Store::open(home.path(), keys_of).err().unwrap();
            assert!(
                matches!(second, StoreError::Locked { pid: Some(pid), .. } if pid == child.id()),
                "{second}"
            );
        }
    }
    child.kill().unwrap();
    while let Some(line) = lines.next() {
        heard.push(serial(&line));
    }
    assert!(!child.wait().unwrap().success(), "it was killed");
    for handle in [
        &reader,
        &Store::open_read_only(home.path(), keys_of).unwrap(),
        &Store::open(home.path(), keys_of).unwrap(),
    ] {
        for serial in &heard {
            assert_eq!(serials(handle, *serial), [*serial]);
        }
    }
}
