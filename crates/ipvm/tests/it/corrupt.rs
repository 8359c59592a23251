//! One changed byte anywhere in a home, a thousand times. Without this, damage could become an answer: a wrong byte, a
//! receipt of another task, a result that is silently missing.
//!
//! The home is made by the binary. Each time one byte of one file gets another value; then either `store verify` or the
//! refusal to open names it, or every answer is the same as before. `IPVM_CORRUPTIONS=20000` tries more places,
//! `IPVM_CORRUPT_SEED=8` others: change number N of a seed is the same byte of the same home in every run, as far as the
//! homes are equal (their keys and times differ, and with them the order of rows).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use ipvm_ipld::{Cid, cid_of, codec};
use ipvm_node::{Access, Cancel, FileRequest, Node, RunInfo, RunOptions, RunReport};
use ipvm_testkit::{CALC, component};
use ipvm_ucan::Receipt;

use crate::home::Home;

const CORRUPTIONS: u64 = 1_000;
const SEED: u64 = 7;
/// Tasks that make the WAL so long that closing copies it into the database.
const FILLING: u64 = 40;
/// Homes that are corrupted at the same time: in every second one the rows are in the database and not in its WAL.
const AT_ONCE: u64 = 2;

/// A small random sequence.
struct Random(u64);

impl Random {
    /// The sequence of one change, whichever thread makes it.
    fn of(seed: u64, number: u64) -> Self {
        // The finalizer of SplitMix64: neighbouring numbers have nothing in common.
        let mut bits = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(bits ^ (bits >> 31))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Small receipts, results and content in files, a failure, a note in the folder of cancellations.
fn make(home: &Home, filled: bool) -> Vec<Cid> {
    home.file("calc.wasm", component(CALC));
    home.file(
        "content",
        (0..300_000).map(|n| (n % 253) as u8).collect::<Vec<_>>(),
    );
    let mut text = "ipvm: \"0.2\"\nname: corrupted\ntasks:\n".to_owned();
    // Few enough that the WAL stays short however the commits fall, where rows are to stay in it.
    let pairs = if filled { 40 } else { 8 };
    for n in 0..pairs {
        text += &format!("  a{n}: {{ mod: calc.wasm, fun: add, args: [{n}, 7000] }}\n");
        text += &format!("  b{n}: {{ mod: calc.wasm, fun: add, args: [{{await: a{n}}}, 1] }}\n");
    }
    text += "  blob: { mod: calc.wasm, fun: blob, args: [80000] }\n";
    text += "  odd: { mod: calc.wasm, fun: halve, args: [7] }\n";
    home.file("workflow.yaml", text);
    home.run(&["run", "workflow.yaml"]).code(1);
    // A second, small workflow: rows that could be taken for one another.
    home.file(
        "other.yaml",
        "ipvm: \"0.2\"\nname: other\ntasks:\n  x: { mod: calc.wasm, fun: add, args: [1, 2] }\n",
    );
    home.ok(&["run", "other.yaml"]);
    let content = home.ok(&["add", "--quiet", "content"]);
    if filled {
        let mut text = "ipvm: \"0.2\"\nname: filling\ntasks:\n".to_owned();
        for n in 0..FILLING {
            let bytes = 30_000 + n;
            text += &format!("  f{n}: {{ mod: calc.wasm, fun: blob, args: [{bytes}] }}\n");
        }
        home.file("filling.yaml", text);
        home.ok(&["run", "filling.yaml"]);
    }
    let wal = home.path().join("store/main.db-wal");
    assert_eq!(
        fs::metadata(wal).unwrap().len() == 0,
        filled,
        "where the rows are"
    );
    fs::create_dir_all(home.path().join("cancel")).unwrap();
    fs::write(home.path().join("cancel").join("999"), "a run").unwrap();
    vec![content.as_str().try_into().unwrap()]
}

/// What is asked of a home, and what it answers; `Err` is a refusal in words.
type Answers = BTreeMap<&'static str, Result<Vec<String>, String>>;

/// Questions whose answers are content: never other than before.
const CONTENT: [&str; 3] = ["receipts", "content", "run"];

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// An answer for each; a refusal for one of them is no refusal for the others.
fn each(
    cids: &[Cid],
    one: &dyn Fn(&Cid) -> Result<Option<String>, String>,
) -> Result<Vec<String>, String> {
    let answer = |cid| match one(cid) {
        Ok(Some(answer)) => answer,
        Ok(None) => MISSING.to_owned(),
        Err(error) => format!("{REFUSED}{error}"),
    };
    Ok(cids.iter().map(answer).collect())
}

fn ask(home: &Home, receipts: &[Cid], content: &[Cid], compute: bool) -> Answers {
    let mut answers = Answers::new();
    let node = match Node::open(&home.path(), Access::Read) {
        Ok(node) => node,
        Err(error) => {
            answers.insert("open", Err(error.to_string()));
            return answers;
        }
    };
    let receipt = |cid: &Cid| {
        let receipt = node.receipt(cid).map_err(text)?;
        Ok(receipt.map(|receipt| format!("{receipt:?}")))
    };
    answers.insert("receipts", each(receipts, &receipt));
    let export = |cid: &Cid| {
        let mut all = Vec::new();
        let mut sink = |bytes: &[u8]| {
            all.extend_from_slice(bytes);
            Ok(())
        };
        node.export(cid, &mut sink).map_err(text)?;
        Ok(Some(cid_of(codec::RAW, &all).to_string()))
    };
    answers.insert("content", each(content, &export));
    let list = node.receipts(10_000).map_err(text);
    let cids = |all: &[Receipt]| all.iter().map(|one| one.cid().to_string()).collect();
    answers.insert("list", list.map(|all| cids(&all)));
    let runs = node.runs(100).map_err(text);
    let show = |run: &RunInfo| Ok(told(&node, &node.run_report(run).map_err(text)?));
    let shown = runs.clone();
    let shown: Result<Vec<_>, _> = shown.and_then(|runs| runs.iter().map(show).collect());
    answers.insert("shown", shown.map(|all| all.concat()));
    let lines = |runs: Vec<RunInfo>| runs.iter().map(|run| format!("{run:?}")).collect();
    answers.insert("runs", runs.map(lines));
    drop(node);
    answers.insert("run", run_again(home, compute));
    answers
}

const MISSING: &str = "missing";
const REFUSED: &str = "refused: ";

/// How a run ended, and a line for each step. A result that cannot be read is a refusal for that step: `ipvm run` and
/// `ipvm workflow show` end with this error and exit code 1.
fn told(node: &Node, report: &RunReport) -> Vec<String> {
    let steps = report.steps.iter().map(|step| {
        let out = step
            .receipt
            .map(|receipt| node.outcome(&receipt).map_err(text));
        match out.transpose() {
            Ok(out) => format!("{} {} {:?} {out:?}", step.label, step.task, step.status),
            Err(error) => format!("{REFUSED}{error}"),
        }
    });
    let end = format!("{} {:?}", report.name, report.status);
    std::iter::once(end).chain(steps).collect()
}

/// The same command as before, which must be answered from memory, or compute the same.
fn run_again(home: &Home, compute: bool) -> Result<Vec<String>, String> {
    let node = Node::open(&home.path(), Access::Write).map_err(text)?;
    let mut all = Vec::new();
    for file in ["workflow.yaml", "other.yaml"] {
        let request = FileRequest {
            file: home.work().join(file),
            ..FileRequest::default()
        };
        let prepared = node.prepare(&request).map_err(text)?;
        let options = RunOptions {
            memo: !compute,
            ..RunOptions::default()
        };
        let report = node.run(&prepared, &options, &Cancel::new(), &mut |_| ());
        all.extend(told(&node, &report.map_err(text)?));
    }
    Ok(all)
}

/// What `ipvm store verify` names; the refusal to open names, too.
fn verify(home: &Home) -> Vec<String> {
    let node = match Node::open(&home.path(), Access::Read) {
        Ok(node) => node,
        Err(error) => return vec![error.to_string()],
    };
    let mut named = Vec::new();
    let verified = node.store().verify(&mut |event| {
        if let ipvm_store::VerifyEvent::Finding(finding) = event
            && finding.is_damage()
        {
            named.push(finding.to_string());
        }
    });
    named.extend(verified.err().map(|error| error.to_string()));
    let audited = node.audit_runs(&mut |finding| named.push(finding.to_string()));
    named.extend(audited.err().map(|error| error.to_string()));
    named
}

/// A home in memory where there is such a thing, and every file as it was.
struct Copy {
    home: Home,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Copy {
    fn restore(&self) {
        let now = files_of(&self.home.path());
        for path in now.keys().filter(|path| !self.files.contains_key(*path)) {
            fs::remove_file(path).unwrap();
        }
        for (path, bytes) in &self.files {
            if now.get(path) != Some(bytes) {
                let _ = fs::remove_file(path);
                fs::write(path, bytes).unwrap();
            }
        }
    }
}

fn files_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_of(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            files.insert(path, bytes);
        }
    }
    files
}

#[derive(Debug, Default)]
struct Seen {
    /// By what part of the home it was: (tried, named).
    parts: BTreeMap<String, (u64, u64)>,
    wrong: Vec<String>,
}

fn part_of(home: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(home).unwrap();
    let mut names = relative
        .iter()
        .map(|name| name.to_string_lossy().into_owned());
    match (names.next(), names.next()) {
        (Some(first), Some(second)) if first != "blocks" && first != "cancel" => {
            format!("{first}/{second}")
        }
        (Some(first), _) => first,
        (None, _) => String::new(),
    }
}

/// Changes one byte, looks, and mends it.
fn corrupt_once(copy: &Copy, (seed, number): (u64, u64), before: &Before, seen: &Mutex<Seen>) {
    let mut random = Random::of(seed, number);
    let files: Vec<_> = copy
        .files
        .iter()
        .filter(|(_, bytes)| !bytes.is_empty())
        .collect();
    let total: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    // Half of the time any file, half of the time any byte: there are small files and large ones.
    let (path, bytes) = if random.below(2) == 0 {
        files[random.below(files.len() as u64) as usize]
    } else {
        let mut at = random.below(total);
        let found = files.iter().find(|(_, bytes)| {
            let here = at < bytes.len() as u64;
            at = at.wrapping_sub(bytes.len() as u64);
            here
        });
        *found.unwrap()
    };
    let at = random.below(bytes.len() as u64) as usize;
    let by = 1 + random.below(255) as u8;
    let mut changed = bytes.clone();
    changed[at] ^= by;
    fs::remove_file(path).unwrap();
    fs::write(path, &changed).unwrap();
    let part = part_of(&copy.home.path(), path);
    let named = verify(&copy.home);
    let answers = ask(
        &copy.home,
        &before.receipts,
        &before.content,
        part.starts_with("cache"),
    );
    let place = format!("change {number}: {part}, byte {at} xor {by:#x}");
    let mut seen: MutexGuard<'_, Seen> = seen.lock().unwrap();
    let counts = seen.parts.entry(part).or_default();
    counts.0 += 1;
    counts.1 += u64::from(!named.is_empty());
    seen.wrong
        .extend(judge(&before.answers, &answers, &named).map(|wrong| format!("{place}: {wrong}")));
    drop(seen);
    copy.restore();
}

/// What is wrong with these answers, if anything.
fn judge(before: &Answers, answers: &Answers, named: &[String]) -> Option<String> {
    for (question, was) in before {
        // A home that does not open answers nothing.
        let is = answers.get(question).or_else(|| answers.get("open"));
        let (Some(Ok(is)), Ok(was)) = (is, was) else {
            match is {
                Some(Err(_)) if !named.is_empty() || *question == "run" => continue,
                other => {
                    return Some(format!(
                        "{question} refused, but nothing is named: {other:?}"
                    ));
                }
            }
        };
        for (is, was) in is.iter().zip(was) {
            let no_answer = is == MISSING || is.starts_with(REFUSED);
            if is != was && named.is_empty() {
                return Some(format!(
                    "{question}, with nothing named: {is} instead of {was}"
                ));
            }
            if is != was && !no_answer && CONTENT.contains(question) {
                return Some(format!(
                    "{question}: {is} instead of {was}, though {named:?}"
                ));
            }
        }
        if is.len() != was.len() && (named.is_empty() || CONTENT.contains(question)) {
            return Some(format!(
                "{question}: {} instead of {} answers, and {named:?} named",
                is.len(),
                was.len()
            ));
        }
    }
    None
}

struct Before {
    receipts: Vec<Cid>,
    content: Vec<Cid>,
    answers: Answers,
}

/// One whose rows are in the WAL, or one whose rows are in the database.
fn one_copy(filled: bool) -> (Copy, Before) {
    let home = Home::in_memory();
    let content = make(&home, filled);
    let node = Node::open(&home.path(), Access::Read).unwrap();
    let receipts = node.receipts(1_000).unwrap();
    let receipts = receipts.iter().map(|receipt| receipt.cid()).collect();
    drop(node);
    assert!(verify(&home).is_empty());
    let files = files_of(&home.path());
    let copy = Copy { home, files };
    let mut before = Before {
        receipts,
        content,
        answers: Answers::new(),
    };
    before.answers = ask(&copy.home, &before.receipts, &before.content, false);
    assert!(
        before.answers.values().all(Result::is_ok),
        "{:?}",
        before.answers
    );
    copy.restore();
    (copy, before)
}

#[test]
fn a_changed_byte_is_named_or_harmless() {
    let setting = |name, usual| {
        let set = std::env::var(name).ok();
        set.map_or(usual, |number| number.parse().unwrap())
    };
    let corruptions = setting("IPVM_CORRUPTIONS", CORRUPTIONS);
    let seed = setting("IPVM_CORRUPT_SEED", SEED);
    let seen = Mutex::new(Seen::default());
    std::thread::scope(|scope| {
        for copy in 0..AT_ONCE {
            let seen = &seen;
            scope.spawn(move || {
                let (home, before) = one_copy(copy % 2 == 1);
                for number in (copy..corruptions).step_by(AT_ONCE as usize) {
                    corrupt_once(&home, (seed, number), &before, seen);
                }
            });
        }
    });
    let seen = seen.into_inner().unwrap();
    let tried: u64 = seen.parts.values().map(|(tried, _)| tried).sum();
    let named: u64 = seen.parts.values().map(|(_, named)| named).sum();
    println!(
        "seed {seed}: {tried} bytes changed, {named} named, {} harmless: {:?}",
        tried - named,
        seen.parts
    );
    assert_eq!(tried, corruptions);
    assert!(
        seen.wrong.is_empty(),
        "{} wrong with IPVM_CORRUPT_SEED={seed} IPVM_CORRUPTIONS={corruptions}:\n{}",
        seen.wrong.len(),
        seen.wrong.join("\n")
    );
    for part in [
        "blocks",
        "store/main.db",
        "store/main.db-wal",
        "keys/owner.key",
    ] {
        assert!(seen.parts[part].1 > 0, "{part} was hit and named");
    }
}
