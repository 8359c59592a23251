//! Secrets at rest: nothing of a secret task is in the home in the clear, nor in what the verbs that list things say.
//! Without these, whoever sees a backup, a disk or a log sees the secret, or can check a guess of it by its hash.
//!
//! Every file of the home is searched byte by byte; the same search has to find what is not secret.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use ipvm_ipld::{Block, Cid, Ipld, codec, unixfs};
use ipvm_node::{Access, Node};
use ipvm_testkit::{CALC, component};
use ipvm_workflow::Computation;

use crate::home::Home;

const WHO: &str = "Alice Liddell, born 1852-05-04";
const NAME: &str = "diagnosis-of-alice";
/// Bytes of a needle that are compared first.
const KEY: usize = 8;

/// What must not be found, or must: by its first bytes, each with what it is.
struct Needles {
    by_key: HashMap<[u8; KEY], Vec<(Vec<u8>, String)>>,
    /// Which two bytes one of them begins with: most places need no more of a look.
    begins: Vec<bool>,
}

impl Default for Needles {
    fn default() -> Self {
        Self {
            by_key: HashMap::new(),
            begins: vec![false; 1 << 16],
        }
    }
}

fn two(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

impl Needles {
    fn add(&mut self, what: &str, bytes: &[u8]) {
        let key = bytes[..KEY].try_into().unwrap();
        self.begins[two(bytes)] = true;
        let all = self.by_key.entry(key).or_default();
        all.push((bytes.to_vec(), what.to_owned()));
    }

    /// A CID as bytes, by its digest, and in the texts that tools write.
    fn cid(&mut self, what: &str, cid: &Cid) {
        let base32 = cid.to_string();
        let digest = cid.hash().digest();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.add(&format!("{what}: bytes"), &cid.to_bytes());
        self.add(&format!("{what}: digest"), digest);
        self.add(&format!("{what}: base32"), &base32.as_bytes()[1..]);
        self.add(
            &format!("{what}: BASE32"),
            base32[1..].to_uppercase().as_bytes(),
        );
        self.add(
            &format!("{what}: base58"),
            base58(&cid.to_bytes()).as_bytes(),
        );
        self.add(&format!("{what}: hex"), hex.as_bytes());
        self.add(&format!("{what}: HEX"), hex.to_uppercase().as_bytes());
    }

    /// Pieces of bytes, wherever a block may begin.
    fn pieces(&mut self, what: &str, bytes: &[u8]) {
        for at in (0..bytes.len() - 32).step_by(4_001) {
            self.add(&format!("{what}: bytes at {at}"), &bytes[at..at + 32]);
        }
    }

    /// A file with all of its blocks.
    fn file(&mut self, what: &str, bytes: &[u8]) -> Cid {
        self.pieces(what, bytes);
        let mut blocks: Vec<Block> = Vec::new();
        let mut keep = |block: Block| {
            blocks.push(block);
            Ok::<(), std::convert::Infallible>(())
        };
        let mut builder = unixfs::Builder::new();
        builder.push(bytes, &mut keep).unwrap();
        let root = builder.finish(&mut keep).unwrap().cid;
        for block in blocks {
            self.cid(&format!("{what}: block"), block.cid());
        }
        root
    }

    /// Which of them are in these bytes.
    fn found_in(&self, bytes: &[u8]) -> HashSet<&str> {
        let mut found = HashSet::new();
        for (at, window) in bytes.windows(KEY).enumerate() {
            if !self.begins[two(window)] {
                continue;
            }
            let Some(all) = self.by_key.get(window) else {
                continue;
            };
            for (needle, what) in all {
                if bytes[at..].starts_with(needle) {
                    found.insert(what.as_str());
                }
            }
        }
        found
    }

    fn len(&self) -> usize {
        self.by_key.values().map(Vec::len).sum()
    }
}

fn base58(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut digits: Vec<u32> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += *digit << 8;
            *digit = carry % 58;
            carry /= 58;
        }
        while carry > 0 {
            digits.push(carry % 58);
            carry /= 58;
        }
    }
    let text = digits.iter().rev().map(|digit| DIGITS[*digit as usize]);
    String::from_utf8(text.collect()).unwrap()
}

/// Bytes that nothing else has by chance.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// All files below a folder: path and bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.push((path.display().to_string(), bytes));
        }
    }
    found
}

struct Scene {
    home: Home,
    secret: Needles,
    control: Needles,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        home.file("calc.wasm", component(CALC));
        let (diagnosis, weather) = (noise(1, 2_500_000), noise(2, 200_000));
        home.file("diagnosis.bin", &diagnosis);
        home.file("weather.bin", &weather);
        let mut scene = Self {
            home,
            secret: Needles::default(),
            control: Needles::default(),
        };
        scene.secret.file("secret file", &diagnosis);
        let root = scene.control.file("open file", &weather);
        scene.control.cid("open file", &root);
        scene.secret.add("argument and result", WHO.as_bytes());
        scene.secret.add("name", NAME.as_bytes());
        scene
    }

    /// Everything that a workflow's secret steps are known by: tasks, computations, invocations and receipts.
    fn know(&mut self, labels: &[&str]) {
        let node = Node::open(&self.home.path(), Access::Read).unwrap();
        for run in node.runs(100).unwrap().iter().filter(|run| run.secret) {
            let plan = node.plan(&run.workflow).unwrap();
            self.secret.cid("workflow", &plan.cid());
            for chunk in &plan.encoded().chunks {
                self.secret.cid("chunk", chunk.cid());
            }
            let report = node.run_report(run).unwrap();
            self.secret.cid("request", &report.run);
            for (index, step) in (0..).zip(report.steps.iter()) {
                if !labels.contains(&step.label.as_str()) {
                    assert!(!step.secret, "{}", step.label);
                    continue;
                }
                assert!(step.secret, "{}", step.label);
                self.secret.cid(&format!("{} task", step.label), &step.task);
                let task = plan.step(index).unwrap().task;
                let mut args = task.args;
                if let Some(Ipld::List(list)) = args.get_mut("args") {
                    for arg in list {
                        *arg = self.resolved(&node, arg);
                    }
                }
                let computation = Computation {
                    cmd: task.cmd,
                    args,
                };
                let cid = computation.cid().unwrap();
                self.secret
                    .cid(&format!("{} computation", step.label), &cid);
                let Some(receipt) = step.receipt else {
                    continue;
                };
                self.secret
                    .cid(&format!("{} receipt", step.label), &receipt);
                let receipt = node.receipt(&receipt).unwrap().unwrap();
                assert_eq!(receipt.payload().meta.computation, None);
                let asked = receipt.payload().meta.inv;
                self.secret
                    .cid(&format!("{} invocation", step.label), &asked);
            }
        }
    }

    fn resolved(&self, node: &Node, arg: &Ipld) -> Ipld {
        let Ipld::Map(map) = arg else {
            return arg.clone();
        };
        let Some(Ipld::Link(task)) = map.get("await/ok") else {
            return arg.clone();
        };
        match node.receipts_of_task(task).unwrap().pop() {
            Some(receipt) => receipt.payload().out.value().clone(),
            None => arg.clone(),
        }
    }

    /// Nothing secret is in the home, and what is open is.
    #[track_caller]
    fn check(&self, when: &str) {
        let mut control = HashSet::new();
        for (path, bytes) in files(&self.home.path()) {
            let found = self.secret.found_in(&bytes);
            assert!(found.is_empty(), "{when}: {path} holds {found:?}");
            control.extend(self.control.found_in(&bytes));
            let name = self.secret.found_in(path.as_bytes());
            assert!(name.is_empty(), "{when}: {path} is called {name:?}");
        }
        self.finds_control(when, &control);
    }

    #[track_caller]
    fn finds_control(&self, when: &str, found: &HashSet<&str>) {
        let has = |what: &str| found.iter().any(|one| one.contains(what));
        assert!(has("open file: bytes at"), "{when}: {found:?}");
        assert!(has("open file: block: digest"), "{when}: {found:?}");
        assert!(has("open file: block: bytes"), "{when}: {found:?}");
    }

    #[track_caller]
    fn says_nothing(&self, args: &[&str]) -> String {
        let ran = self.home.run(args).code(0);
        for said in [&ran.out, ran.err.as_bytes()] {
            let found = self.secret.found_in(said);
            assert!(found.is_empty(), "{args:?} says {found:?}");
        }
        ran.text()
    }
}

fn workflow() -> String {
    format!(
        "ipvm: \"0.2\"
name: {NAME}
params: {{ who: {{ who: \"{WHO}\" }} }}
tasks:
  size: {{ mod: calc.wasm, fun: count, args: [{{file: ./diagnosis.bin}}], config: {{secret: true}} }}
  note: {{ mod: calc.wasm, fun: echo-pairs, args: [{{param: who}}], config: {{secret: true}} }}
  big: {{ mod: calc.wasm, fun: blob, args: [{{await: size}}] }}
  twice: {{ mod: calc.wasm, fun: add, args: [{{await: size}}, {{await: size}}] }}
  odd: {{ mod: calc.wasm, fun: trap, args: [], config: {{secret: true}} }}
  weather: {{ mod: calc.wasm, fun: count, args: [{{file: ./weather.bin}}] }}
outputs: {{ note: note.json, twice: twice.json, weather: weather.json }}
"
    )
}

const SECRET: [&str; 5] = ["size", "note", "big", "twice", "odd"];

#[test]
fn nothing_of_a_secret_task_is_in_the_home_or_in_lists() {
    let mut scene = Scene::new();
    scene.home.file("secret.yaml", workflow());
    // One task fails, and not one of the outputs.
    let ran = scene.home.run(&["run", "secret.yaml", "--json"]).code(0);
    let report: serde_json::Value = serde_json::from_slice(&ran.out).unwrap();
    let note = String::from_utf8(scene.home.read("ipvm-out/diagnosis-of-alice/note.json")).unwrap();
    assert!(note.contains(WHO), "what was asked for is written: {note}");
    for label in SECRET {
        let task = &report["tasks"][label];
        assert_eq!(task["secret"], true, "{label}");
        for key in ["task", "receipt", "out"] {
            assert!(task[key].is_null(), "{label}.{key}: {task}");
        }
    }
    assert!(report["tasks"]["weather"]["receipt"].is_string());
    scene.know(&SECRET);
    // The result of `big`: 2,500,000 times the letter x.
    scene.secret.cid("big result", &{
        let mut nowhere = |_: Block| Ok::<(), std::convert::Infallible>(());
        let mut builder = unixfs::Builder::new();
        builder.push(&vec![b'x'; 2_500_000], &mut nowhere).unwrap();
        builder.finish(&mut nowhere).unwrap().cid
    });
    scene.secret.add("big result", &[b'x'; 64]);
    assert!(scene.secret.len() > 600, "{}", scene.secret.len());
    scene.check("after the run");

    // Answered from memory, for the same owner.
    let again = scene.home.json(&["run", "secret.yaml", "--json"]);
    assert_eq!(
        (&again["executed"], &again["reused"]),
        (&1.into(), &5.into())
    );
    scene.check("after the same run");

    let listed = scene.says_nothing(&["workflow", "list"]);
    assert!(listed.contains("secret-1"), "{listed}");
    let shown = scene.says_nothing(&["workflow", "show", "secret-1"]);
    assert!(
        shown.contains("size") && shown.contains("secret"),
        "{shown}"
    );
    for args in [
        ["workflow", "list", "--json"].as_slice(),
        &["workflow", "show", "secret-1", "--json"],
        &["receipt", "list", "--limit", "100"],
        &["receipt", "list", "--limit", "100", "--json"],
        &["store", "pins"],
        &["store", "stat"],
        &["store", "verify"],
        &["store", "verify", "--json"],
        &["explain", "secret.yaml"],
        &["explain", "secret.yaml", "--json"],
    ] {
        scene.says_nothing(args);
    }
    let receipts = scene.home.json(&["receipt", "list", "--json"]);
    assert_eq!(receipts.as_array().unwrap().len(), 1, "the open one alone");
    let explained = scene.home.ok(&["explain", "secret.yaml"]);
    assert!(
        explained.contains("secret: it awaits `size`, which is secret"),
        "{explained}"
    );
    // The owner sees it who asks for it.
    let revealed = scene
        .home
        .run(&["workflow", "show", "secret-1", "--reveal", "--json"])
        .code(0);
    let found = scene.secret.found_in(&revealed.out);
    assert!(found.contains("note receipt: base32") && found.contains("argument and result"));

    scene.says_nothing(&["store", "gc"]);
    scene.check("after a collection");
    scene.says_nothing(&["home", "export", "backup.tar"]);
    let archive = scene.home.read("backup.tar");
    let found = scene.secret.found_in(&archive);
    assert!(found.is_empty(), "the archive holds {found:?}");
    scene.finds_control("archive", &scene.control.found_in(&archive));
    scene.check("after an export");

    // The archive has all of it for its owner.
    let mut other = scene.home.command(&["home", "import", "backup.tar"]);
    let elsewhere = scene.home.work().join("imported");
    let imported = other.env("IPVM_HOME", &elsewhere).output().unwrap();
    assert!(
        imported.status.success(),
        "{}",
        String::from_utf8_lossy(&imported.stderr)
    );
    let mut other = scene.home.command(&["run", "secret.yaml", "--json"]);
    let ran = other.env("IPVM_HOME", &elsewhere).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(
        (&report["executed"], &report["reused"]),
        (&1.into(), &5.into())
    );

    // A collection of what nothing keeps takes the sealed blocks too.
    scene.says_nothing(&["store", "gc", "--keep-runs", "0"]);
    scene.home.ok(&["store", "verify"]);
}

/// The keys of a home, replaced by another pair.
fn replace_keys(home: &Home) {
    std::fs::remove_dir_all(home.path().join("keys")).unwrap();
}

#[test]
fn a_killed_secret_run_leaves_nothing_open_and_goes_on() {
    let mut scene = Scene::new();
    let mut text = format!(
        "ipvm: \"0.2\"\nname: {NAME}\ndefaults: {{ secret: true }}\ntasks:\n  size: {{ mod: calc.wasm, fun: count, args: [{{file: ./diagnosis.bin}}] }}\n  note: {{ mod: calc.wasm, fun: echo-pairs, args: [{{who: \"{WHO}\"}}] }}\n  weather: {{ mod: calc.wasm, fun: count, args: [{{file: ./weather.bin}}], config: {{secret: false}} }}\n"
    );
    let mut labels = vec!["size".to_owned(), "note".to_owned()];
    for n in 0..40 {
        labels.push(format!("work{n:02}"));
        let before = match n {
            0 => "[400000000]".to_owned(),
            // A chain: each adds one to the rounds of the one before.
            _ => format!("[{{await: next{:02}}}]", n - 1),
        };
        text += &format!("  work{n:02}: {{ mod: calc.wasm, fun: burn, args: {before} }}\n");
        text += &format!(
            "  next{n:02}: {{ mod: calc.wasm, fun: add, args: [{{await: work{n:02}}}, 1] }}\n"
        );
        labels.push(format!("next{n:02}"));
    }
    scene.home.file("secret.yaml", text);
    let mut command = scene
        .home
        .command(&["run", "secret.yaml", "--progress", "json"]);
    let mut child = command
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut told = 0;
    for line in stderr.lines() {
        let line = line.unwrap();
        let found = scene.secret.found_in(line.as_bytes());
        assert!(found.is_empty(), "{line}");
        told += usize::from(line.starts_with('{'));
        // Both inputs, the open one, and some of the chain.
        if told == 6 {
            child.kill().unwrap();
            break;
        }
    }
    let status = child.wait().unwrap();
    assert!(
        !status.success() && status.code().is_none(),
        "it was killed: {status}"
    );
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    scene.know(&labels);
    scene.check("after the kill");
    let shown = scene.home.json(&["workflow", "show", "secret-1", "--json"]);
    assert_eq!(shown["status"], "running");
    let rest = scene.home.json(&["run", "secret.yaml", "--json"]);
    let (executed, reused) = (
        rest["executed"].as_u64().unwrap(),
        rest["reused"].as_u64().unwrap(),
    );
    assert_eq!(rest["status"], "ok");
    assert_eq!(executed + reused, labels.len() as u64 + 1);
    assert!(
        reused >= 6 && executed > 0,
        "{executed} executed, {reused} reused"
    );
    scene.know(&labels);
    scene.check("after it went on");
}

#[test]
fn another_owner_of_the_same_store_finds_nothing() {
    let scene = Scene::new();
    scene.home.file("secret.yaml", workflow());
    let revealed = |home: &Home| home.json(&["workflow", "show", "secret-1", "--reveal", "--json"]);
    scene.home.run(&["run", "secret.yaml"]).code(0);
    let known = revealed(&scene.home);
    let receipt = known["tasks"]["note"]["receipt"]
        .as_str()
        .unwrap()
        .to_owned();
    let task = known["tasks"]["note"]["task"].as_str().unwrap().to_owned();
    assert!(
        scene.home.ok(&["receipt", "show", &receipt]).contains(WHO),
        "its owner can"
    );
    replace_keys(&scene.home);
    scene.home.ok(&["key", "show"]);
    let missing = "bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq";
    for verb in [
        ["receipt", "show"],
        ["receipt", "trace"],
        ["receipt", "logs"],
    ] {
        let say = |cid: &str| {
            let ran = scene.home.run(&[verb[0], verb[1], cid]).code(2);
            (ran.err.replace(cid, "CID"), ran.out)
        };
        // In the same words as of what never was.
        assert_eq!(say(&receipt), say(missing));
        assert_eq!(say(&task), say(missing));
    }
    // To await a task, one has to name it.
    let awaits = |task: &str| {
        let link = format!("{{link: {task}}}");
        let text = format!(
            "ipvm: \"0.2\"\ntasks:\n  t: {{ mod: calc.wasm, fun: count, args: [{link}] }}\n"
        );
        scene.home.file("guess.yaml", text);
        let ran = scene.home.run(&["run", "guess.yaml"]);
        (ran.code, ran.err.replace(task, "CID"))
    };
    let mut blocks = Needles::default();
    let diagnosis = blocks.file("diagnosis", &scene.home.read("diagnosis.bin"));
    let strip = |said: (Option<i32>, String)| (said.0, said.1.lines().next().map(str::to_owned));
    let never = ipvm_ipld::cid_of(codec::DAG_PB, b"never");
    assert_eq!(
        strip(awaits(&diagnosis.to_string())),
        strip(awaits(&never.to_string()))
    );
    // Their own run of the same file computes all that is secret, and the store is sound for them too.
    let ran = scene.home.json(&["run", "secret.yaml", "--json"]);
    assert_eq!(ran["reused"], 0, "{ran}");
    scene.home.ok(&["store", "verify"]);
    let runs = scene.home.json(&["workflow", "list", "--json"]);
    assert!(runs.as_array().unwrap().len() >= 2);
    scene.home.run(&["workflow", "show", "secret-1"]).code(2);
}

#[test]
fn secret_content_taints_and_stays() {
    let scene = Scene::new();
    let cid = scene
        .home
        .ok(&["--quiet", "add", "--secret", "diagnosis.bin"]);
    scene.home.ok(&["add", "weather.bin"]);
    scene.check("after add --secret");
    assert_eq!(
        scene.home.run(&["cat", &cid]).code(0).out,
        scene.home.read("diagnosis.bin")
    );
    scene
        .home
        .run(&["get", &cid, "--car"])
        .code(2)
        .says("does not leave this home");
    let pins = scene.home.json(&["store", "pins", "--json"]);
    assert_eq!(pins.as_array().unwrap().len(), 1, "the open one alone");
    let text = "ipvm: \"0.2\"\nname: tainted\ntasks:\n  size: { mod: calc.wasm, fun: count, args: [{file: ./diagnosis.bin}] }\n";
    scene.home.file("tainted.yaml", text);
    let explained = scene.home.ok(&["explain", "tainted.yaml"]);
    assert!(
        explained.contains("secret: it names content that is secret in this home"),
        "{explained}"
    );
    scene
        .home
        .run(&["run", "tainted.yaml"])
        .code(0)
        .says("kept sealed");
    scene.home.file(
        "refused.yaml",
        text.replace("}] }", "}], config: {secret: false} }"),
    );
    scene
        .home
        .run(&["run", "refused.yaml"])
        .code(2)
        .says("task `size` says `secret: false`, but it names content that is secret");
    scene.home.ok(&["store", "gc"]);
    scene.check("after runs and a collection");
    assert_eq!(
        scene.home.run(&["cat", &cid]).code(0).out,
        scene.home.read("diagnosis.bin")
    );
    // A secret that is let go is collected.
    scene.home.ok(&["store", "unpin", &cid]);
    scene.home.ok(&["store", "gc", "--keep-runs", "0"]);
    scene.home.run(&["cat", &cid]).code(2);
}
