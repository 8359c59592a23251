//! Which steps are secret. Without these, what came of a secret would be shown and shared as if nothing were.

use crate::fake::{fake, owner, settings};
use ipvm_ipld::{Cid, Ipld, cid_of, codec};
use ipvm_ucan::promise::{Await, Branch};
use ipvm_workflow::author::{compile, parse};
use ipvm_workflow::{
    Config, Plan, Secrecy, Secrets, Step, Taint, Task, Workflow, class_of, makes_secret,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Label, number that makes the task differ, `secret` as written, labels that it awaits, other values.
type Written<'a> = (&'a str, i128, Option<bool>, &'a [&'a str], &'a [Ipld]);

fn config(secret: Option<bool>) -> Option<Config> {
    secret.map(|secret| Config {
        secret: Some(secret),
        ..Config::default()
    })
}

/// Steps may await those written before them.
fn plan(defaults: Option<bool>, written: &[Written<'_>]) -> Plan {
    let mut tasks: BTreeMap<&str, Cid> = BTreeMap::new();
    let mut steps = BTreeMap::new();
    for (label, number, secret, awaited, values) in written {
        let mut args = vec![Ipld::Integer(*number)];
        args.extend(awaited.iter().map(|on| {
            let task = tasks[on];
            let branch = Branch::ALL[task.to_bytes().len() % Branch::ALL.len()];
            Await { branch, task }.to_ipld()
        }));
        args.extend(values.iter().cloned());
        let task = Task {
            sub: owner(),
            cmd: "/wasm/run".parse().unwrap(),
            args: BTreeMap::from([("args".to_owned(), Ipld::List(args))]),
            nonce: Vec::new(),
        };
        tasks.insert(label, task.cid().unwrap());
        let step = Step {
            task,
            config: config(*secret),
            rescue: None,
            undo: None,
        };
        steps.insert((*label).to_owned(), step);
    }
    Plan::of(Workflow {
        defaults: config(defaults),
        steps,
        ..Workflow::default()
    })
    .unwrap()
}

fn labels(plan: &Plan, secrecy: &Secrecy) -> Vec<String> {
    let labels = secrecy
        .steps()
        .map(|step| plan.label(step).unwrap().to_owned());
    labels.collect()
}

#[track_caller]
fn check(defaults: Option<bool>, written: &[Written<'_>], expect: Result<&[&str], &str>) {
    let plan = plan(defaults, written);
    let found = plan.secrecy(&Secrets::default());
    match expect {
        Ok(expect) => assert_eq!(labels(&plan, &found.unwrap()), expect),
        Err(message) => assert_eq!(found.unwrap_err().to_string(), message),
    }
}

const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

#[test]
fn a_secret_taints_all_that_it_goes_into() {
    let none: &[Ipld] = &[];
    check(None, &[("a", 1, None, &[], none)], Ok(&[]));
    check(NO, &[("a", 1, None, &[], none)], Ok(&[]));
    check(YES, &[("a", 1, None, &[], none)], Ok(&["a"]));
    check(
        YES,
        &[("a", 1, NO, &[], none), ("b", 2, None, &[], none)],
        Ok(&["b"]),
    );
    check(
        None,
        &[
            ("a", 1, YES, &[], none),
            ("b", 2, None, &["a"], none),
            ("c", 3, None, &["b"], none),
            ("d", 4, None, &[], none),
            ("e", 5, None, &["d", "c"], none),
            ("f", 6, NO, &["d"], none),
        ],
        Ok(&["a", "b", "c", "e"]),
    );
    // Labels in another order than the awaits.
    check(
        None,
        &[
            ("z", 1, YES, &[], none),
            ("y", 2, None, &["z"], none),
            ("x", 3, None, &["y"], none),
        ],
        Ok(&["x", "y", "z"]),
    );
}

#[test]
fn nobody_can_say_otherwise() {
    let none: &[Ipld] = &[];
    check(
        None,
        &[("a", 1, YES, &[], none), ("b", 2, NO, &["a"], none)],
        Err("task `b` says `secret: false`, but it awaits `a`, which is secret"),
    );
    // Nor can the defaults.
    check(
        NO,
        &[("a", 1, YES, &[], none), ("b", 2, None, &["a"], none)],
        Err("task `b` says `secret: false`, but it awaits `a`, which is secret"),
    );
    check(
        None,
        &[
            ("a", 1, None, &[], none),
            ("b", 1, YES, &[], none),
            ("c", 1, NO, &[], none),
        ],
        Err("task `c` says `secret: false`, but `b` is the same task and says `secret: true`"),
    );
}

/// The arguments of equal tasks are the same: an open one would tell what the secret one keeps.
#[test]
fn equal_tasks_are_secret_together() {
    let none: &[Ipld] = &[];
    check(
        None,
        &[
            ("a", 1, None, &[], none),
            ("b", 1, YES, &[], none),
            ("c", 2, None, &["a"], none),
        ],
        Ok(&["a", "b", "c"]),
    );
}

#[test]
fn secrets_from_outside_taint_too() {
    let task = cid_of(codec::DAG_CBOR, b"a task of another workflow");
    let content = cid_of(codec::RAW, b"content");
    let awaits = [Await {
        branch: Branch::Ok,
        task,
    }
    .to_ipld()];
    let names = [Ipld::Link(content)];
    // What is content somewhere and a task elsewhere is told apart.
    let plan = plan(
        None,
        &[
            ("a", 1, None, &[], &awaits),
            ("b", 2, None, &[], &names),
            ("c", 3, None, &["b"], &[]),
        ],
    );
    let found = |tasks: &[Cid], content: &[Cid]| {
        let known = Secrets {
            tasks: tasks.iter().copied().collect(),
            content: content.iter().copied().collect(),
        };
        plan.secrecy(&known).unwrap()
    };
    let taints = |secrecy: Secrecy| -> Vec<Option<Taint>> {
        (0..3).map(|step| secrecy.taint(step).cloned()).collect()
    };
    assert_eq!(taints(found(&[], &[task])), [None, None, None]);
    assert_eq!(taints(found(&[content], &[])), [None, None, None]);
    assert_eq!(
        taints(found(&[task], &[])),
        [Some(Taint::Task(task)), None, None]
    );
    assert_eq!(
        taints(found(&[], &[content])),
        [None, Some(Taint::Content(content)), Some(Taint::Step(1))]
    );
}

/// A secret that a command gives is one wherever it goes, whoever reads the workflow: its author or who decodes it.
#[test]
fn a_command_that_gives_a_secret_makes_its_tasks_secret() {
    let secret = |cmd: &str| makes_secret(&cmd.parse().unwrap());
    assert!(secret("/secret/get") && class_of(&"/secret/get".parse().unwrap()).is_some());
    for open in ["/wasm/run", "/secret", "/crypto/sign", "/secret/get/x"] {
        assert!(!secret(open), "{open}");
    }
    let text = |config: &str, cmd: &str| {
        format!(
            "ipvm: \"0.2\"\ntasks:\n  key: {{cmd: {cmd}, args: {{name: api}}{config}}}\n  use: {{mod: ./image.wasm, fun: any, args: [{{await: key}}]}}\n  open: {{mod: ./image.wasm, fun: none}}\n"
        )
    };
    let built = |config: &str, cmd: &str| {
        let document = parse(text(config, cmd).as_bytes()).unwrap();
        let may = document.may_have_secrets();
        let plan = compile(document, &settings(&[]), &mut fake()).unwrap().plan;
        assert_eq!(plan.declares_secrets(), may, "{cmd}");
        plan
    };
    let plan = built("", "/secret/get");
    let encoded = plan.encoded();
    let mut chunks = encoded.chunks.iter();
    let mut next = |_: &Cid| Ok::<_, std::fmt::Error>(chunks.next().unwrap().data().to_vec());
    let decoded = Plan::decode(encoded.root.data(), &mut next).unwrap();
    for plan in [plan, decoded] {
        let found = plan.secrecy(&Secrets::default()).unwrap();
        assert_eq!(labels(&plan, &found), ["key", "use"]);
        let taint = found.taint(plan.find("key").unwrap()).unwrap();
        assert_eq!(*taint, Taint::Command);
        assert_eq!(plan.words_for(taint), "its command gives a secret");
        assert!(plan.declares_secrets());
    }
    let refused = built(", config: {secret: false}", "/secret/get");
    assert_eq!(
        refused
            .secrecy(&Secrets::default())
            .unwrap_err()
            .to_string(),
        "task `key` says `secret: false`, but its command gives a secret"
    );
    let plan = built("", "/time/now");
    assert!(plan.secrecy(&Secrets::default()).unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The secret steps are those that a step which says so reaches, and no other.
    #[test]
    fn as_naive_reachability(
        rows in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0..6_i128), 1..24),
        shuffle in any::<u64>(),
    ) {
        // Labels in an order that has nothing to do with the awaits; some tasks are equal.
        let name = |at: usize| format!("{:016x}", (at as u64 + 1).wrapping_mul(shuffle | 1));
        let names: Vec<String> = (0..rows.len()).map(name).collect();
        let mut edges: Vec<Vec<usize>> = Vec::new();
        let mut keys: Vec<(i128, Vec<usize>)> = Vec::new();
        for (at, (_, on, number)) in rows.iter().enumerate() {
            let mut on: Vec<usize> = if at == 0 { vec![] } else { on.iter().map(|on| on.index(at)).collect() };
            on.sort_unstable();
            on.dedup();
            edges.push(on.clone());
            // Equal numbers and equal inputs, as tasks, make equal tasks.
            let on = on.iter().map(|on| keys.iter().position(|key| *key == keys[*on]).unwrap()).collect();
            keys.push((*number, on));
        }
        let awaited: Vec<Vec<&str>> = edges.iter().map(|on| on.iter().map(|on| names[*on].as_str()).collect()).collect();
        let written: Vec<Written<'_>> = rows.iter().enumerate().map(|(at, (secret, _, number))| {
            (names[at].as_str(), *number, secret.then_some(true), awaited[at].as_slice(), &[] as &[Ipld])
        }).collect();
        let plan = plan(None, &written);
        let found = plan.secrecy(&Secrets::default()).unwrap();
        // Until nothing changes: declared, equal to a secret one, or awaiting one.
        let mut secret: Vec<bool> = rows.iter().map(|row| row.0).collect();
        loop {
            let before = secret.clone();
            for at in 0..rows.len() {
                let equal = (0..rows.len()).any(|other| keys[other] == keys[at] && secret[other]);
                let awaits = edges[at].iter().any(|on| secret[*on]);
                secret[at] |= equal || awaits;
            }
            if secret == before { break; }
        }
        for (at, name) in names.iter().enumerate() {
            let step = plan.find(name).unwrap();
            prop_assert_eq!(found.has(step), secret[at], "{}", name);
            prop_assert_eq!(found.taint(step).is_some(), secret[at]);
        }
    }
}
