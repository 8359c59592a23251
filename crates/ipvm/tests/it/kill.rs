//! Real `kill -9` of the real binary at random moments of real work: while it starts, makes its first keys, runs hundreds
//! of tasks, and closes. Without this, a reported receipt could be lost in a crash, or a finished task run twice.
//!
//! The parent hears the acknowledgements as any program can, by `ipvm run --progress json`. `IPVM_KILLS=2000` kills more
//! often than the 200 times of an ordinary run.

#![cfg(unix)]

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use ipvm_node::{Access, Node};
use ipvm_testkit::{CALC, component};
use ipvm_ucan::Receipt;

use crate::home::Home;

/// Kills in all, where no other number is asked for.
const KILLS: u64 = 200;
/// Kills in one home; the next ones hit a new home, so that its making is hit too.
const KILLS_PER_HOME: u64 = 25;
/// Pairs of a task and one that awaits it, in one workflow.
const PAIRS: u64 = 150;
/// Tasks whose results are block files, in one workflow.
const BLOBS: u64 = 6;
const TASKS: u64 = 2 * PAIRS + BLOBS;
/// Longest random delay before a kill: more than a whole run takes on an idle machine.
const DELAY_MAX_MS: u64 = 400;
/// Homes in which processes are killed at the same time.
const AT_ONCE: u64 = 2;

/// A small random sequence, the same in every run of this test.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    After(Duration),
    /// When it has told of so many ended tasks; all of them: while it closes.
    Reports(u64),
}

impl Moment {
    fn draw(random: &mut Random) -> Self {
        match random.below(8) {
            0 | 1 => Self::After(Duration::from_millis(random.below(40))),
            2 => Self::Reports(TASKS),
            3 => Self::Reports(1 + random.below(TASKS)),
            _ => Self::After(Duration::from_millis(random.below(DELAY_MAX_MS))),
        }
    }
}

/// One line of `--progress json`.
#[derive(Clone, Debug)]
struct Acknowledged {
    step: String,
    receipt: String,
    memo: bool,
}

/// What one process came to.
struct Life {
    acknowledged: Vec<Acknowledged>,
    /// Whether the kill hit it, as opposed to its own end coming first.
    killed: bool,
}

/// Many small tasks: independent ones, chains, and results that are files. Each `generation` is other work.
fn workflow(generation: u64) -> String {
    let mut text = format!(
        "ipvm: \"0.2\"\nname: generation-{generation}\noutputs: {{ blob0: blob }}\ntasks:\n"
    );
    for n in 0..PAIRS {
        let first = generation * 1_000 + 2 * n;
        text += &format!("  a{n}: {{ mod: calc.wasm, fun: add, args: [{first}, 0] }}\n");
        text += &format!("  b{n}: {{ mod: calc.wasm, fun: add, args: [{{await: a{n}}}, 1] }}\n");
    }
    for n in 0..BLOBS {
        let bytes = 70_000 + generation * BLOBS + n;
        text += &format!("  blob{n}: {{ mod: calc.wasm, fun: blob, args: [{bytes}] }}\n");
    }
    text
}

fn file_of(generation: u64) -> String {
    format!("generation-{generation}.yaml")
}

fn prepare(home: &Home, generation: u64) {
    home.file("calc.wasm", component(CALC));
    home.file(&file_of(generation), workflow(generation));
}

/// Reads the process's stderr in a thread of its own.
fn listen(child: &mut Child) -> Receiver<String> {
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

fn parse(line: &str) -> Option<Acknowledged> {
    // A line that the kill cut off is no acknowledgement.
    let told: serde_json::Value = serde_json::from_str(line).ok()?;
    assert_eq!(told["status"], "ok", "{line}");
    Some(Acknowledged {
        step: told["step"].as_str()?.to_owned(),
        receipt: told["receipt"].as_str()?.to_owned(),
        memo: told["memo"].as_bool()?,
    })
}

/// Starts a run and kills it at `moment`, if it lives until then.
fn run_and_kill(home: &Home, generation: u64, moment: Moment) -> Life {
    let mut command = home.command(&["run", &file_of(generation), "--progress", "json"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = listen(&mut child);
    let mut acknowledged = Vec::new();
    let until = match moment {
        Moment::After(delay) => Some(Instant::now() + delay),
        Moment::Reports(_) => None,
    };
    loop {
        let line = match until {
            Some(until) => lines.recv_timeout(until.saturating_duration_since(Instant::now())),
            None => lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match line {
            Ok(line) => {
                assert!(!line.contains("panicked"), "{line}");
                acknowledged.extend(parse(&line));
            }
            Err(_) => break,
        }
        if matches!(moment, Moment::Reports(n) if acknowledged.len() as u64 == n) {
            break;
        }
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    // What was on its way was told, too.
    acknowledged.extend(lines.iter().filter_map(|line| parse(&line)));
    let killed = status.signal() == Some(9);
    assert!(killed || status.code() == Some(0), "{status}");
    Life {
        acknowledged,
        killed,
    }
}

/// What the whole test saw.
#[derive(Debug, Default)]
struct Seen {
    kills: u64,
    /// Kills before the home was complete.
    unborn: u64,
    /// Kills before the first acknowledgement.
    starting: u64,
    /// Kills between the first and the last.
    working: u64,
    /// Kills after all tasks were acknowledged.
    closing: u64,
    acknowledged: u64,
    workflows: u64,
}

impl Seen {
    fn count(&mut self, home: &Home, life: &Life) {
        self.kills += 1;
        match life.acknowledged.len() as u64 {
            0 if !home.path().join("keys/agent.dlg").exists() => self.unborn += 1,
            0 => self.starting += 1,
            TASKS => self.closing += 1,
            _ => self.working += 1,
        }
    }

    fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.unborn += other.unborn;
        self.starting += other.starting;
        self.working += other.working;
        self.closing += other.closing;
        self.acknowledged += other.acknowledged;
        self.workflows += other.workflows;
    }
}

/// Kills runs in one home `kills` times, lets the last one end, and checks everything.
fn one_home(kills: u64, random: &mut Random) -> Seen {
    let home = Home::new();
    let mut seen = Seen::default();
    let mut told: BTreeMap<(u64, String), Acknowledged> = BTreeMap::new();
    let (mut generation, mut killed) = (0, 0);
    prepare(&home, generation);
    while killed < kills {
        let moment = match killed {
            // The making of the home takes a few milliseconds.
            0..4 => Moment::After(Duration::from_millis(random.below(12))),
            _ => Moment::draw(random),
        };
        let life = run_and_kill(&home, generation, moment);
        for acknowledged in &life.acknowledged {
            remember(&mut told, generation, acknowledged);
        }
        if life.killed {
            killed += 1;
            seen.count(&home, &life);
        } else {
            generation += 1;
            prepare(&home, generation);
        }
    }
    seen.acknowledged += told.len() as u64;
    seen.workflows += generation + 1;
    home.ok(&["store", "verify"]);
    check(&home, generation, &told);
    home.ok(&["store", "verify"]);
    seen
}

/// A task has one receipt, whoever tells of it and however often; only the first time can it have been executed.
fn remember(
    told: &mut BTreeMap<(u64, String), Acknowledged>,
    generation: u64,
    acknowledged: &Acknowledged,
) {
    let task = (generation, acknowledged.step.clone());
    match told.get(&task) {
        Some(before) => {
            assert_eq!(before.receipt, acknowledged.receipt, "{task:?}");
            assert!(acknowledged.memo, "{task:?} was executed again");
        }
        None => drop(told.insert(task, acknowledged.clone())),
    }
}

/// What the tasks of a generation must come to; of blobs, only that they are there.
fn expected(generation: u64, label: &str) -> Option<serde_json::Value> {
    let (kind, n) = label.split_at(1);
    let first = generation * 1_000 + 2 * n.parse::<u64>().ok()?;
    Some(serde_json::json!({"ok": if kind == "a" { first } else { first + 1 }}))
}

/// Ends what is unfinished and looks whether all is as if nobody had been killed.
fn check(home: &Home, last: u64, told: &BTreeMap<(u64, String), Acknowledged>) {
    for generation in 0..=last {
        let report = home.json(&["run", &file_of(generation), "--json"]);
        assert_eq!(report["status"], "ok");
        for (label, task) in report["tasks"].as_object().unwrap() {
            if let Some(expected) = expected(generation, label) {
                assert_eq!(task["out"], expected, "{label}");
            }
            if let Some(before) = told.get(&(generation, label.clone())) {
                assert_eq!(task["receipt"], before.receipt.as_str(), "{label}");
                assert_eq!(task["memo"], true, "{label} was reported, then ran again");
            }
        }
        if generation == last {
            compare_with_undisturbed(home, generation, &report);
        }
    }
    let node = Node::open(&home.path(), Access::Read).unwrap();
    for acknowledged in told.values() {
        let cid = acknowledged.receipt.as_str().try_into().unwrap();
        let receipt = node.receipt(&cid).unwrap();
        let receipt = receipt.unwrap_or_else(|| panic!("{acknowledged:?} is lost"));
        receipt.verify_signature().unwrap();
    }
    // Told or not: no task has more than one receipt that says it was executed.
    let mut executions: HashMap<_, u64> = HashMap::new();
    let rows = node.store().recent_receipts(None, usize::MAX).unwrap();
    for row in &rows {
        let receipt = Receipt::decode(&row.block).unwrap();
        if receipt.payload().meta.memo.is_none() {
            *executions.entry(receipt.payload().ran).or_default() += 1;
        }
    }
    assert_eq!(executions.len() as u64, (last + 1) * TASKS);
    assert!(executions.values().all(|times| *times == 1));
}

fn compare_with_undisturbed(home: &Home, generation: u64, report: &serde_json::Value) {
    let undisturbed = Home::new();
    prepare(&undisturbed, generation);
    let other = undisturbed.json(&["run", &file_of(generation), "--json"]);
    assert_eq!(other["executed"], TASKS);
    for (label, task) in report["tasks"].as_object().unwrap() {
        assert_eq!(task["out"], other["tasks"][label]["out"], "{label}");
    }
    let output = format!("ipvm-out/generation-{generation}/blob");
    assert_eq!(home.read(&output), undisturbed.read(&output));
}

#[test]
fn killed_two_hundred_times_nothing_reported_is_lost_and_nothing_runs_twice() {
    let kills = std::env::var("IPVM_KILLS").ok();
    let kills: u64 = kills.map_or(KILLS, |number| number.parse().unwrap());
    let begun = AtomicU64::new(0);
    let all = Mutex::new(Seen::default());
    std::thread::scope(|scope| {
        for seed in 0..AT_ONCE {
            let (begun, all) = (&begun, &all);
            scope.spawn(move || {
                let mut random = Random(42 + seed);
                loop {
                    let before = begun.fetch_add(KILLS_PER_HOME, Ordering::Relaxed);
                    let kills = kills.saturating_sub(before).min(KILLS_PER_HOME);
                    if kills == 0 {
                        return;
                    }
                    let seen = one_home(kills, &mut random);
                    all.lock().unwrap().add(&seen);
                }
            });
        }
    });
    let seen = all.into_inner().unwrap();
    println!("{seen:?}");
    assert_eq!(seen.kills, kills);
    let everywhere = [seen.unborn, seen.starting, seen.working, seen.closing];
    assert!(everywhere.iter().all(|kills| *kills > 0), "{seen:?}");
    assert!(seen.acknowledged > 2 * kills, "{seen:?}");
}
