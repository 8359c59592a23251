//! Guests that mean harm, run by the real program beside harmless neighbours: each is stopped with its own error, in
//! time and within its memory, and the rest of the workflow goes on. Without this, one guest could take down what
//! others count on.

use crate::home::Home;
use ipvm_testkit::{CALC, End, Hostile, component, hostile};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// By how much a guest may outlive its time, in microseconds. The promise is 100 ms on a quiet machine; tests of other
/// things run at the same time as this one.
const GRACE_US: u64 = 500_000;
/// Time of a task that says `time: 300ms`, in microseconds.
const SHORT_US: u64 = 300_000;
/// Time for compiling a module, in seconds.
const COMPILE_S: u64 = 4;
/// What a refusal may take beyond that: reading and hashing megabytes with a debug build.
const REFUSAL: Duration = Duration::from_secs(COMPILE_S + 4);

/// How a run ended, and the most memory that it had at once.
struct Watched {
    code: Option<i32>,
    out: String,
    err: String,
    /// KiB.
    peak: u64,
    took: Duration,
}

/// Runs the workflow of a kind. The compiled neighbours stay in the home from one kind to the next.
fn run(home: &Home, kind: &Hostile) -> Watched {
    home.file("hostile.wasm", &kind.module);
    home.file(
        "w.yaml",
        format!(
            r#"
ipvm: "0.2"
name: hostile
tasks:
  hostile: {{ mod: ./hostile.wasm, fun: f, args: [{}], config: {{ {} }} }}
  neighbour: {{ mod: ./calc.wasm, fun: burn, args: [1000000] }}
  after: {{ mod: ./calc.wasm, fun: add, args: [{{await: neighbour}}, 1] }}
"#,
            kind.args, kind.config
        ),
    );
    watch(home, &["run", "--json", "--no-memo", "w.yaml"])
}

fn watch(home: &Home, args: &[&str]) -> Watched {
    let mut command = home.command(args);
    let began = Instant::now();
    let mut child = command
        .env("IPVM_COMPILE_SECONDS", COMPILE_S.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut peak = 0;
    // The kernel keeps the most that a process ever had, but only as long as it lives: read until it ends.
    while child.try_wait().unwrap().is_none() {
        peak = peak_of(child.id()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().unwrap();
    Watched {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        peak,
        took: began.elapsed(),
    }
}

/// The most memory that a living process had resident, in KiB; none where the system does not tell.
fn peak_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Largest result, in MiB: the default.
const OUTPUT_MIB: u64 = 64;

/// What a kind may take beyond what a harmless run takes, in KiB: its memory limit, the limit of its result if that
/// is what it fills, and a tenth.
fn allowance(kind: &Hostile) -> u64 {
    let mib = kind.config.split("memory: ").nth(1).unwrap();
    let mib: u64 = mib.split("MiB").next().unwrap().parse().unwrap();
    let large = matches!(kind.end, End::Limit("output") | End::Error("too large", _));
    (mib + if large { OUTPUT_MIB } else { 0 }) * 1024 * 11 / 10
}

/// What is wrong with how a kind ended, if anything.
fn judge(kind: &Hostile, ran: &Watched, harmless: u64) -> Result<(), String> {
    if ran.err.contains("panicked") {
        return Err("the host panicked".into());
    }
    if let End::Refused(words) = kind.end {
        return match ran.code {
            Some(2) if ran.err.contains(words) && ran.took < REFUSAL => Ok(()),
            _ => Err(format!(
                "expected a refusal with {words:?}; it took {:?}",
                ran.took
            )),
        };
    }
    let report: Value = serde_json::from_str(&ran.out).map_err(|error| error.to_string())?;
    let tasks = &report["tasks"];
    if (
        tasks["after"]["out"]["ok"].as_u64(),
        tasks["neighbour"]["status"].as_str(),
    ) != (Some(1_000_001), Some("ok"))
    {
        return Err("the neighbours did not go on".into());
    }
    let hostile = &tasks["hostile"];
    let error = &hostile["out"]["error"];
    let reason = error["reason"].as_str().unwrap_or_default();
    match kind.end {
        End::Ok if hostile["status"] == "ok" => {}
        End::Limit(limit) if reason == "limit" && error["limit"] == limit => {}
        End::Error(expect, words) if reason == expect && error.to_string().contains(words) => {}
        end => {
            return Err(format!(
                "expected {end:?}, it ended with {}",
                hostile["out"]
            ));
        }
    }
    let took = hostile["took_us"].as_u64().unwrap_or(u64::MAX);
    if kind.end == End::Limit("time") && took > SHORT_US + GRACE_US {
        return Err(format!("it was stopped only after {took} µs"));
    }
    let most = harmless + allowance(kind);
    if ran.peak > most {
        return Err(format!("it took {} KiB, more than {most}", ran.peak));
    }
    Ok(())
}

#[test]
fn every_kind_is_stopped_and_its_neighbours_go_on() {
    let home = Home::new();
    home.file("calc.wasm", component(CALC));
    let harmless = Hostile {
        name: "harmless",
        module: component(CALC),
        args: "",
        config: "memory: 2MiB",
        end: End::Limit("fuel"),
    };
    let _ = run(&home, &harmless);
    home.file(
        "plain.yaml",
        "ipvm: \"0.2\"\ntasks: { one: { mod: ./calc.wasm, fun: burn, args: [1000000] } }\n",
    );
    let plain = watch(&home, &["run", "--no-memo", "plain.yaml"]);
    assert_eq!(plain.code, Some(0), "{}", plain.err);
    let mut failures = Vec::new();
    let kinds = hostile();
    let names: BTreeSet<_> = kinds.iter().map(|kind| kind.name).collect();
    assert!(names.len() == kinds.len() && kinds.len() >= 60, "{names:?}");
    for kind in kinds {
        let ran = run(&home, &kind);
        if let Err(wrong) = judge(&kind, &ran, plain.peak) {
            failures.push(format!(
                "{}: {wrong}\n  exit {:?}\n  {}\n  {}",
                kind.name, ran.code, ran.out, ran.err
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} kinds:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
