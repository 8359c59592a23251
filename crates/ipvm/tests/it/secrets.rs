//! Secrets at rest: nothing of a secret task is in the home in the clear, nor in what the verbs that list things say.
//! Without these, whoever sees a backup, a disk or a log sees the secret, or can check a guess of it by its hash.
//!
//! Every file of the home is searched byte by byte, and every row of its databases; the same search has to find what is
//! not secret.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use ipvm_ipld::{Cid, Ipld, codec, links_of_value};
use ipvm_node::{Access, Node};
use ipvm_testkit::{CALC, component, program};
use ipvm_workflow::Computation;

use crate::home::{Home, Ran};
use crate::needles::{self, Needles, noise};
use crate::parties::{Party, call};

const WHO: &str = "Alice Liddell, born 1852-05-04";
pub(crate) const NAME: &str = "diagnosis-of-alice";

pub(crate) struct Scene {
    pub(crate) home: Home,
    pub(crate) secret: Needles,
    control: Needles,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let home = Home::new();
        home.file("calc.wasm", component(CALC));
        home.file("program.wasm", program());
        let (diagnosis, weather) = (noise(1, 2_500_000), noise(2, 200_000));
        home.file("diagnosis.bin", &diagnosis);
        home.file("weather.bin", &weather);
        let mut scene = Self {
            home,
            secret: Needles::default(),
            control: Needles::default(),
        };
        scene.secret.file("secret file", &diagnosis);
        scene.control.file("open file", &weather);
        scene.secret.add("argument and result", WHO.as_bytes());
        scene.secret.add("name", NAME.as_bytes());
        scene
    }

    /// Everything that steps are known by: tasks, computations, invocations, receipts, results and logs; of these labels
    /// in runs with secret steps, and as the control, of all that are open.
    pub(crate) fn know(&mut self, labels: &[&str]) {
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
                let label = step.label.as_str();
                assert_eq!(step.secret, labels.contains(&label), "{label}");
                let task = plan.step(index).unwrap().task;
                let computation = self.computation(&node, task);
                let needles = match step.secret {
                    true => &mut self.secret,
                    false => &mut self.control,
                };
                needles.cid(&format!("{label} task"), &step.task);
                needles.cid(&format!("{label} computation"), &computation);
                let Some(cid) = step.receipt else { continue };
                needles.cid(&format!("{label} receipt"), &cid);
                let receipt = node.receipt(&cid).unwrap().unwrap();
                let meta = &receipt.payload().meta;
                let expect = (!step.secret).then_some(computation);
                assert_eq!(meta.computation, expect, "{label}");
                needles.cid(&format!("{label} invocation"), &meta.inv);
                if let Some(log) = &meta.log {
                    needles.cid(&format!("{label} log"), log);
                    let log = node.block(log).unwrap().unwrap();
                    needles.add(&format!("{label} log"), &log);
                }
                for link in links_of_value(receipt.payload().out.value()) {
                    needles.cid(&format!("{label} result"), &link);
                }
            }
        }
    }

    /// The memo key of a task that is on record.
    fn computation(&self, node: &Node, task: ipvm_workflow::Task) -> Cid {
        let mut args = task.args;
        if let Some(Ipld::List(list)) = args.get_mut("args") {
            for arg in list {
                *arg = self.resolved(node, arg);
            }
        }
        Computation::cid_of(&task.cmd, &args).unwrap()
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
    pub(crate) fn check(&self, when: &str) {
        let mut control = HashSet::new();
        for (path, bytes) in needles::home(&self.home.path()) {
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
        if self.control.knows("weather receipt") {
            for what in ["task", "computation", "invocation"] {
                let what = format!("weather {what}: digest");
                assert!(has(&what), "{when}: no {what} in {found:?}");
            }
        }
    }

    /// What a run says has nothing secret but the name, which is that of a folder with outputs.
    #[track_caller]
    pub(crate) fn said_nothing(&self, ran: &Ran) {
        for said in [&ran.out, ran.err.as_bytes()] {
            let mut found = self.secret.found_in(said);
            found.remove("name");
            assert!(found.is_empty(), "it says {found:?}");
        }
    }

    /// The same work in the open leaves in another home what is searched for in this one.
    fn is_found_where_it_is_open(&self) {
        let plain = Home::new();
        for name in ["calc.wasm", "program.wasm", "diagnosis.bin"] {
            plain.file(name, self.home.read(name));
        }
        plain.ok(&["call", "calc.wasm", "count", "@diagnosis.bin"]);
        plain.ok(&["call", "program.wasm", "look"]);
        let all = needles::home(&plain.path());
        let found: HashSet<&str> = all
            .iter()
            .flat_map(|(_, bytes)| self.secret.found_in(bytes))
            .collect();
        for what in [
            "secret file: bytes at 0",
            "secret file: block: digest",
            "secret file: block: bytes",
            "size computation: digest",
            "size computation: bytes",
            "look log",
            "look log: digest",
        ] {
            assert!(found.contains(what), "{what} is not in {found:?}");
        }
    }

    #[track_caller]
    pub(crate) fn says_nothing(&self, args: &[&str]) -> String {
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
  look: {{ mod: program.wasm, fun: look, args: [], config: {{secret: true}} }}
  weather: {{ mod: calc.wasm, fun: count, args: [{{file: ./weather.bin}}] }}
outputs: {{ note: note.json, twice: twice.json, weather: weather.json }}
"
    )
}

const SECRET: [&str; 6] = ["size", "note", "big", "twice", "odd", "look"];

#[test]
fn nothing_of_a_secret_task_is_in_the_home_or_in_lists() {
    let mut scene = Scene::new();
    scene.home.file("secret.yaml", workflow());
    // One task fails, and not one of the outputs.
    let first = ["run", "secret.yaml", "--json", "--progress", "json"];
    let ran = scene.home.run(&first).code(0);
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
    for known in ["size computation", "look log", "big result", "odd receipt"] {
        assert!(scene.secret.knows(known), "{known}");
    }
    // The result of `big`: 2,500,000 times the letter x.
    scene.secret.add("big result", &[b'x'; 64]);
    assert!(scene.secret.len() > 600, "{}", scene.secret.len());
    scene.said_nothing(&ran);
    scene.check("after the run");

    // Answered from memory, for the same owner.
    let again = scene.home.json(&["run", "secret.yaml", "--json"]);
    assert_eq!(
        (&again["executed"], &again["reused"]),
        (&1.into(), &6.into())
    );
    scene.said_nothing(&scene.home.run(&["run", "secret.yaml"]).code(0));
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
        (&1.into(), &6.into())
    );

    scene.is_found_where_it_is_open();

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
    let wal = scene.home.path().join("store").join("main.db-wal");
    let wal = std::fs::read(wal).unwrap();
    let rows = scene.control.found_in(&wal);
    assert!(!rows.is_empty(), "what is on record is in the WAL as well");
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    scene.know(&labels);
    let found = scene.secret.found_in(&wal);
    assert!(found.is_empty(), "the WAL holds {found:?}");
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
    // Nor can they await it, or ask for its content.
    let content = diagnosis.to_string();
    for wanted in [&task, &receipt] {
        let say = |cid: &str| {
            let text = format!(
                "ipvm: \"0.2\"\ntasks:\n  t: {{ mod: calc.wasm, fun: add, args: [{{await: {cid}}}, 1] }}\n"
            );
            scene.home.file("await.yaml", text);
            let explained = scene.home.run(&["explain", "await.yaml"]).code(0);
            let ran = scene.home.run(&["run", "await.yaml"]).code(2);
            let said = ran.err.replace(cid, "CID");
            (explained.text(), said, ran.out)
        };
        assert_eq!(say(wanted), say(missing));
    }
    for verb in [
        ["cat"].as_slice(),
        &["ls"],
        &["get"],
        &["inspect"],
        &["store", "pin"],
        &["receipt", "verify"],
    ] {
        let say = |cid: &str| {
            let ran = scene.home.run(&[verb, &[cid]].concat());
            assert_ne!(ran.code, Some(0), "{verb:?}");
            (ran.code, ran.err.replace(cid, "CID"), ran.out)
        };
        assert_eq!(say(&content), say(&never.to_string()), "{verb:?}");
        assert_eq!(say(&receipt), say(missing), "{verb:?}");
        assert_eq!(say(&task), say(missing), "{verb:?}");
    }
    // What begins like a name is not completed.
    let say = |cid: &str| {
        let prefix = &cid[..20];
        let ran = scene.home.run(&["receipt", "show", prefix]).code(2);
        ran.err.replace(prefix, "PREFIX")
    };
    assert_eq!(say(&receipt), say(missing));
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

/// Whoever may use the machine learns nothing by asking for work that was done in secret.
#[test]
fn a_guest_on_the_machine_can_neither_await_nor_guess() {
    let (alice, bob) = (Party::new(), Party::new());
    bob.knows("alice", &alice);
    let module = alice.has_calc();
    alice.home.ok(&["store", "pin", "--public", &module]);
    alice.home.ok(&[
        "ucan",
        "delegate",
        "--to",
        &bob.owner,
        "--cmd",
        "/wasm/run",
        "-o",
        "bob.ucan",
    ]);
    alice.gives(&bob, "bob.ucan");
    bob.home.ok(&["ucan", "import", "bob.ucan"]);
    let run = |secret: bool, args: &str| {
        let text = format!(
            "ipvm: \"0.2\"\ntasks:\n  t: {{ mod: calc.wasm, fun: add, args: [{args}], config: {{secret: {secret}}} }}\n"
        );
        alice.home.file("w.yaml", text);
        alice.home.run(&["run", "w.yaml"]).code(0);
        let run = if secret { "secret-1" } else { "w" };
        let shown = alice
            .home
            .json(&["workflow", "show", run, "--reveal", "--json"]);
        shown["tasks"]["t"]["task"].as_str().unwrap().to_owned()
    };
    let secret = run(true, "4000000, 711");
    run(false, "4000000, 712");
    let ask = |args: &str| {
        bob.home.ok(&[
            "ucan",
            "invoke",
            "/wasm/run",
            "--sub",
            "alice-machine",
            "--args",
            args,
            "-o",
            "ask.ucan",
        ]);
        bob.gives(&alice, "ask.ucan");
    };
    // A guess is computed, whether it is right or not; what is open is answered from memory.
    let guess = |number: &str| {
        ask(&call(&module, "add", &format!("[4000000, {number}]")));
        let done = alice.executes("ask.ucan", "answer.ucan");
        assert_eq!(done["status"], "ok", "{done}");
        done["memo"].clone()
    };
    assert_eq!(guess("711"), false);
    assert_eq!(guess("710"), false);
    assert_eq!(guess("712"), true);
    // To await it is refused as if it were not there.
    let waits = |task: &str| {
        ask(&call(
            &module,
            "add",
            &format!(r#"[{{"await/ok": {{"/": "{task}"}}}}, 1]"#),
        ));
        let ran = alice.home.run(&["ucan", "execute", "ask.ucan"]).code(2);
        (ran.err.replace(task, "TASK"), ran.out)
    };
    let never = "bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq";
    assert_eq!(waits(&secret), waits(never));
    assert!(waits(never).0.contains("no receipt here"));
}

#[test]
fn what_awaits_a_secret_in_another_workflow_is_secret() {
    let mut scene = Scene::new();
    scene.home.file("secret.yaml", workflow());
    scene.home.run(&["run", "secret.yaml"]).code(0);
    let known = scene
        .home
        .json(&["workflow", "show", "secret-1", "--reveal", "--json"]);
    let task = known["tasks"]["size"]["task"].as_str().unwrap();
    let text = |config: &str| {
        format!(
            "ipvm: \"0.2\"\ntasks:\n  after: {{ mod: calc.wasm, fun: add, args: [{{await: {task}}}, 5]{config} }}\n  beside: {{ mod: calc.wasm, fun: add, args: [3, 4] }}\n  later: {{ mod: calc.wasm, fun: blob, args: [{{await: after}}] }}\n"
        )
    };
    scene.home.file("after.yaml", text(""));
    let explained = scene.home.ok(&["explain", "after.yaml"]);
    assert!(
        explained.contains("secret: it awaits a secret task of another workflow"),
        "{explained}"
    );
    let report = scene.home.json(&["run", "after.yaml", "--json"]);
    let tasks = &report["tasks"];
    assert_eq!(
        (&tasks["after"]["secret"], &tasks["later"]["secret"]),
        (&true.into(), &true.into())
    );
    assert_eq!(
        (&tasks["beside"]["secret"], &tasks["beside"]["out"]["ok"]),
        (&serde_json::Value::Null, &7.into())
    );
    scene.know(&[SECRET.as_slice(), &["after", "later"]].concat());
    assert!(scene.secret.knows("later result"));
    scene.check("after the dependents");
    scene
        .home
        .file("refused.yaml", text(", config: {secret: false}"));
    scene
        .home
        .run(&["run", "refused.yaml"])
        .code(2)
        .says("`after` says `secret: false`, but it awaits a secret task of another workflow");
}

/// Of several files, in a run and in a call, those are sealed that secret work alone uses: large or small, named or found.
#[test]
fn of_several_files_the_secret_ones_are_sealed() {
    let mut scene = Scene::new();
    let mut files: Vec<(String, Vec<u8>, bool)> = vec![
        ("scan.bin".into(), noise(10, 300_000), true),
        ("note.txt".into(), noise(11, 500), true),
        ("shared.bin".into(), noise(12, 100_000), false),
        ("plan.txt".into(), noise(13, 700), false),
    ];
    for n in 0..3 {
        let size = 40_000 * (n as usize) + 90;
        files.push((format!("mail/{n}.txt"), noise(20 + n, size), true));
        files.push((format!("news/{n}.txt"), noise(30 + n, size), false));
    }
    for (name, bytes, secret) in &files {
        scene.home.file(name, bytes);
        match secret {
            true => scene.secret.file(name, bytes),
            false => scene.control.file(name, bytes),
        };
    }
    scene.home.file(
        "several.yaml",
        "ipvm: \"0.2\"
tasks:
  scan: { mod: calc.wasm, fun: count, args: [{file: ./scan.bin}], config: {secret: true} }
  note: { mod: calc.wasm, fun: count, args: [{file: ./note.txt}], config: {secret: true} }
  both: { mod: calc.wasm, fun: count, args: [{file: ./shared.bin}], config: {secret: true} }
  mail: { mod: calc.wasm, fun: count, each: {glob: \"./mail/*.txt\"}, args: [{item: true}], config: {secret: true} }
  news: { mod: calc.wasm, fun: count, each: {glob: \"./news/*.txt\"}, args: [{item: true}] }
  plan: { mod: calc.wasm, fun: count, args: [{file: ./plan.txt}] }
  weather: { mod: calc.wasm, fun: count, args: [{file: ./weather.bin}] }
  again: { mod: other.wasm, fun: count, args: [{file: ./shared.bin}] }
",
    );
    // Another module, so that it is another task than `both`.
    scene.home.file(
        "other.wasm",
        component(&CALC.replace("the number is", "this one is, ")),
    );
    scene.home.run(&["run", "several.yaml"]).code(0);
    scene.check("after the run");
    let all = |scene: &Scene| {
        let everything: Vec<u8> = needles::home(&scene.home.path())
            .into_iter()
            .flat_map(|(_, bytes)| bytes)
            .collect();
        let found = scene.control.found_in(&everything);
        for (name, ..) in files.iter().filter(|file| !file.2) {
            let digest = format!("{name}: block: digest");
            assert!(found.contains(digest.as_str()), "{name} is open");
        }
    };
    all(&scene);
    // One that changes is sealed as well, and the others are answered from memory.
    let changed = noise(14, 300_000);
    scene.home.file("scan.bin", &changed);
    scene.secret.file("changed", &changed);
    let again = scene.home.json(&["run", "several.yaml", "--json"]);
    assert_eq!(
        (&again["executed"], &again["reused"]),
        (&1.into(), &11.into())
    );
    scene.check("after the change");
    // In a call with a secret argument, all files are inputs of secret work.
    let beside = noise(15, 90_000);
    scene.home.file("beside.bin", &beside);
    scene.secret.file("beside", &beside);
    scene.home.file("two.wasm", component(TWO));
    let called = scene
        .home
        .run(&["call", "two.wasm", "both", "@note.txt", "@beside.bin"])
        .code(0);
    assert_eq!(called.text(), "90500");
    scene.check("after the call");
    let runs = scene.home.json(&["workflow", "list", "--json"]);
    assert!(
        runs.as_array()
            .unwrap()
            .iter()
            .all(|run| run["workflow"].is_null()),
        "{runs}"
    );
}

/// A function of two contents: how long both are together.
const TWO: &str = r#"(component
  (core module $m
    (memory (export "memory") 16) (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (global.get $next))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func (export "both") (param i32 i32 i32 i32) (result i32)
      (i32.add (local.get 1) (local.get 3))))
  (core instance $i (instantiate $m))
  (func (export "both") (param "a" (list u8)) (param "b" (list u8)) (result u32)
    (canon lift (core func $i "both") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#;
