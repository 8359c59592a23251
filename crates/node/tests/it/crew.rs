//! Many runs at once, and long ones. Without these a wide run could starve a small one, equal work could be done twice,
//! a chain could wait for the disk at each link, or somebody could be told what a power cut takes back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use ipvm_node::{Cancel, FileRequest, Node, Prepared, Progress, RunOptions, RunReport, RunState};
use ipvm_testkit::Folder;

use crate::helpers::{open, prepare, results, run, workflow};

/// What a caller was told, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Started(u32),
    Ended(u32),
}

fn run_told(node: &Node, prepared: &Prepared, options: &RunOptions) -> (RunReport, Vec<Told>) {
    let mut told = Vec::new();
    let report = node.run(
        prepared,
        options,
        &Cancel::new(),
        &mut |progress| match progress {
            Progress::Started { step } => told.push(Told::Started(step)),
            Progress::Ended { step, .. } => told.push(Told::Ended(step)),
            Progress::Began { .. } | Progress::Doubted { .. } => {}
        },
    );
    (report.unwrap(), told)
}

/// Links that each add one; labels sort as they follow each other.
fn chain(links: usize) -> String {
    let mut tasks = "  t0000: { mod: calc.wasm, fun: add, args: [0, 1] }\n".to_owned();
    for link in 1..links {
        let before = link - 1;
        tasks += &format!(
            "  t{link:04}: {{ mod: calc.wasm, fun: add, args: [{{await: t{before:04}}}, 1] }}\n"
        );
    }
    workflow(&tasks)
}

/// One task for each number below `tasks`, and a quick one of another name so that workflows differ.
fn wide(tasks: usize) -> String {
    let items: Vec<String> = (0..tasks).map(|item| item.to_string()).collect();
    workflow(&format!(
        "  w: {{ each: [{}], mod: calc.wasm, fun: add, args: [{{item: true}}, 1] }}\n",
        items.join(", ")
    ))
}

fn prepare_named(node: &Node, folder: &Folder, name: &str, text: &str) -> Prepared {
    folder.write(name, text);
    let request = FileRequest {
        file: folder.path(name),
        ..FileRequest::default()
    };
    node.prepare(&request).unwrap()
}

#[test]
fn a_chain_runs_ahead_of_the_disk_or_waits_for_it_as_asked() {
    const LINKS: u32 = 200;
    let folder = Folder::with_workflow(&chain(LINKS as usize));
    let node = open(&folder.home());
    let prepared = prepare(&node, &folder);
    let place = |told: &[Told], what: Told| told.iter().position(|told| *told == what).unwrap();
    let before = |told: &[Told]| {
        let early =
            |link: &u32| place(told, Told::Started(link + 1)) < place(told, Told::Ended(*link));
        (0..LINKS - 1).filter(early).count()
    };
    let sharing = RunOptions {
        memo: false,
        ..RunOptions::default()
    };
    let (report, told) = run_told(&node, &prepared, &sharing);
    assert_eq!(
        (report.status, report.executed),
        (RunState::Ok, LINKS.into())
    );
    assert!(
        before(&told) > 0,
        "no link has started on a result that was not durable"
    );
    let ends: Vec<u32> = told
        .iter()
        .filter_map(|told| match told {
            Told::Ended(step) => Some(*step),
            Told::Started(_) => None,
        })
        .collect();
    assert!(
        ends.is_sorted(),
        "a link is told only after those that it stands on"
    );
    assert_eq!(results(&node, &report)["t0199"], r#"{"ok":200}"#);

    let strict = RunOptions {
        memo: false,
        share_commits: false,
        ..RunOptions::default()
    };
    let (report, told) = run_told(&node, &prepared, &strict);
    assert_eq!(
        (report.status, report.executed),
        (RunState::Ok, LINKS.into())
    );
    assert_eq!(
        before(&told),
        0,
        "a link has started before the one before was durable"
    );
    assert_eq!(results(&node, &report)["t0199"], r#"{"ok":200}"#);
}

/// What is told is on record: a reader of the same home sees each receipt at the moment at which its step is told.
#[test]
fn nothing_is_told_before_another_process_could_read_it() {
    let folder = Folder::with_workflow(&chain(60));
    let node = open(&folder.home());
    let prepared = prepare(&node, &folder);
    let reader = Node::open(&folder.home(), ipvm_node::Access::Read).unwrap();
    let mut seen = 0;
    let options = RunOptions::default();
    let report = node.run(&prepared, &options, &Cancel::new(), &mut |progress| {
        if let Progress::Ended { receipt, .. } = progress {
            assert!(
                reader.receipt(&receipt).unwrap().is_some(),
                "told before it is durable"
            );
            seen += 1;
        }
    });
    assert_eq!((report.unwrap().status, seen), (RunState::Ok, 60));
}

/// A result with large bytes is in blocks of its own, which nobody can read before they are durable.
#[test]
fn a_step_that_reads_what_another_has_just_made_finds_it() {
    let mut tasks = String::new();
    for n in 0..30 {
        tasks += &format!(
            "  b{n}: {{ mod: calc.wasm, fun: blob, args: [{}] }}\n",
            40_000 + 4 * n
        );
        tasks += &format!("  c{n}: {{ mod: calc.wasm, fun: count, args: [{{await: b{n}}}] }}\n");
    }
    let folder = Folder::with_workflow(&workflow(&tasks));
    let node = open(&folder.home());
    let report = run(&node, &folder);
    let results = results(&node, &report);
    for n in 0..30 {
        assert_eq!(
            results[&format!("c{n}")],
            format!(r#"{{"ok":{}}}"#, 40_000 + 4 * n)
        );
    }
}

#[test]
fn equal_computations_at_the_same_time_are_executed_once() {
    // Sixteen tasks that differ in what they await, and all come to burn(2000000).
    let mut tasks = String::new();
    for n in 0..16 {
        tasks += &format!(
            "  a{n:02}: {{ mod: calc.wasm, fun: add, args: [{}, {n}] }}\n",
            2_000_000 - n
        );
        tasks +=
            &format!("  b{n:02}: {{ mod: calc.wasm, fun: burn, args: [{{await: a{n:02}}}] }}\n");
    }
    let folder = Folder::with_workflow(&workflow(&tasks));
    let node = open(&folder.home());
    let report = run(&node, &folder);
    assert_eq!(report.status, RunState::Ok);
    assert_eq!((report.executed, report.reused), (17, 15));
    let of_burn = results(&node, &report);
    assert!(of_burn.iter().all(|(_, out)| out == r#"{"ok":2000000}"#));
    // Without memory, each is executed by itself.
    let prepared = prepare(&node, &folder);
    let anew = RunOptions {
        memo: false,
        ..RunOptions::default()
    };
    assert_eq!(run_told(&node, &prepared, &anew).0.executed, 32);
}

#[test]
fn equal_work_of_two_runs_is_done_once() {
    let folder = Folder::with_workflow("");
    let node = open(&folder.home());
    let text = |name: &str| wide(300).replace("name: test", &format!("name: {name}"));
    let one = prepare_named(&node, &folder, "one.yaml", &text("one"));
    let two = prepare_named(&node, &folder, "two.yaml", &text("two"));
    assert_ne!(one.plan.cid(), two.plan.cid());
    let options = RunOptions::default();
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| run_told(&node, &one, &options).0);
        let second = scope.spawn(|| run_told(&node, &two, &options).0);
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!((first.status, second.status), (RunState::Ok, RunState::Ok));
    assert_eq!(first.executed + second.executed, 300, "each once");
    assert_eq!(first.reused + second.reused, 300);
}

#[test]
fn a_limit_that_one_run_meets_is_not_the_result_of_another() {
    let folder = Folder::with_workflow("");
    let node = open(&folder.home());
    let text = |fuel: &str| {
        workflow(&format!(
            "  b: {{ mod: calc.wasm, fun: burn, args: [3000000], config: {{ fuel: {fuel} }} }}\n"
        ))
    };
    let short = prepare_named(&node, &folder, "short.yaml", &text("2_000_000"));
    let enough = prepare_named(&node, &folder, "enough.yaml", &text("1_000_000_000"));
    let options = RunOptions::default();
    let statuses = std::thread::scope(|scope| {
        let runs = [&short, &enough]
            .map(|prepared| scope.spawn(|| run_told(&node, prepared, &options).0.status));
        runs.map(|run| run.join().unwrap())
    });
    assert_eq!(statuses[1], RunState::Ok, "whoever came first");
}

#[test]
fn a_small_run_beside_a_wide_one_is_not_starved() {
    const WIDE: usize = 3_000;
    let folder = Folder::with_workflow(&wide(WIDE));
    let node = open(&folder.home());
    let wide = prepare(&node, &folder);
    let small = prepare_named(
        &node,
        &folder,
        "small.yaml",
        &chain(5).replace("[0, 1]", "[70000, 1]"),
    );
    let ended = AtomicUsize::new(0);
    let options = RunOptions::default();
    let (begin, begun) = std::sync::mpsc::channel::<()>();
    let (report, beside) = std::thread::scope(|scope| {
        let wide = scope.spawn(|| {
            let mut begin = Some(begin);
            node.run(&wide, &options, &Cancel::new(), &mut |progress| {
                if let Progress::Ended { .. } = progress {
                    ended.fetch_add(1, Ordering::SeqCst);
                    begin.take();
                }
            })
            .unwrap()
        });
        // Disconnected once the first of the wide run's tasks is told: all the others are in the queue.
        assert!(begun.recv().is_err());
        let small = run_told(&node, &small, &options).0;
        let beside = ended.load(Ordering::SeqCst);
        assert_eq!((small.status, small.executed), (RunState::Ok, 5));
        (wide.join().unwrap(), beside)
    });
    assert_eq!(
        (report.status, report.executed),
        (RunState::Ok, WIDE as u64)
    );
    assert!(
        beside < WIDE / 2,
        "{beside} of {WIDE} tasks went before five"
    );
}

#[test]
fn a_stop_starts_nothing_more_and_the_same_command_goes_on() {
    const WIDE: usize = 3_000;
    /// As many as can be under way or wait for the disk, and as many as were told meanwhile.
    const REST: u64 = 1_000;
    let folder = Folder::with_workflow(&wide(WIDE));
    let node = open(&folder.home());
    let prepared = prepare(&node, &folder);
    let cancel = Cancel::new();
    let mut ended = BTreeMap::new();
    let options = RunOptions::default();
    let report = node.run(&prepared, &options, &cancel, &mut |progress| {
        if let Progress::Ended { step, .. } = progress {
            ended.insert(step, ());
            cancel.cancel();
        }
    });
    let report = report.unwrap();
    assert_eq!(report.status, RunState::Cancelled);
    assert_eq!(
        report.executed,
        ended.len() as u64,
        "what is counted was told"
    );
    assert!(
        report.executed < REST,
        "{} tasks were executed",
        report.executed
    );
    let again = run(&node, &folder);
    assert_eq!(again.status, RunState::Ok);
    assert_eq!(
        (again.executed, again.reused),
        (WIDE as u64 - report.executed, report.executed)
    );
}
