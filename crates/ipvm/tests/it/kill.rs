//! Real `kill -9` in the middle of real work. Without this, a finished task could run twice after
//! a crash, or a crash could change what comes out.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::home::Home;

/// How often the run is killed before it is left alone.
const KILLS: u64 = 20;

fn gallery() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/gallery/workflow.yaml")
}

/// A small random sequence, the same in every run of this test.
fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Starts the gallery, kills it once `reported` tasks were reported as executed, and returns their
/// labels; fewer if it ended before.
fn run_and_kill(home: &Home, reported: u64) -> Vec<String> {
    let file = gallery();
    let mut command = home.command(&["run", file.to_str().unwrap()]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut executed = Vec::new();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        if let Some(rest) = line.strip_prefix("ok ") {
            executed.push(rest.split_whitespace().next().unwrap().to_owned());
        }
        if executed.len() as u64 == reported {
            child.kill().unwrap();
            // What was already on its way is read to the end: it was reported, too.
        }
    }
    child.wait().unwrap();
    executed
}

fn outs(report: &serde_json::Value) -> BTreeMap<String, serde_json::Value> {
    let tasks = report["tasks"].as_object().unwrap();
    tasks
        .iter()
        .map(|(label, task)| (label.clone(), task["out"].clone()))
        .collect()
}

#[test]
fn a_gallery_killed_twenty_times_runs_nothing_twice_and_ends_the_same() {
    let home = Home::new();
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    let mut random = 42;
    let mut killed = 0;
    for _ in 0..KILLS {
        let executed = run_and_kill(&home, 1 + next(&mut random) % 8);
        killed += u32::from(!executed.is_empty());
        for label in executed {
            *times.entry(label).or_default() += 1;
        }
    }
    assert_eq!(killed, 20, "every kill came after a report");
    let before = times.len();
    let file = gallery();
    let report = home.json(&["run", file.to_str().unwrap(), "--json"]);
    assert_eq!(report["status"], "ok");
    let executed = report["executed"].as_u64().unwrap();
    assert!(
        report["reused"].as_u64().unwrap() >= before as u64,
        "what was reported is kept"
    );
    for (label, count) in &times {
        assert_eq!(*count, 1, "{label} was reported as executed {count} times");
        assert_eq!(
            report["tasks"][label]["memo"], true,
            "{label} was reported, then ran again"
        );
    }
    let tasks = report["tasks"].as_object().unwrap().len() as u64;
    assert!(
        tasks > 200 && executed > 0 && executed <= tasks - before as u64,
        "the last kill came before the end"
    );

    let undisturbed = Home::new();
    let other = undisturbed.json(&["run", file.to_str().unwrap(), "--json"]);
    assert_eq!(other["executed"], tasks);
    assert_eq!(
        outs(&report),
        outs(&other),
        "equal results, under other keys"
    );
    for (label, path) in report["outputs"].as_object().unwrap() {
        let other = other["outputs"][label].as_str().unwrap();
        let read = |home: &Home, path: &str| std::fs::read(home.work().join(path)).unwrap();
        assert_eq!(
            read(&home, path.as_str().unwrap()),
            read(&undisturbed, other)
        );
    }
}
