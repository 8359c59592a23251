//! Ctrl-C, and cancelling from elsewhere. Without these a stop could lose what was reported, hang, or look like
//! success.
#![cfg(unix)]

use crate::home::Home;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// One task that is done at once, and one that only ends by its limit of time.
const WORKFLOW: &str = r#"
ipvm: "0.2"
name: endless
tasks:
  quick: { mod: ./calc.wasm, fun: add, args: [1, 2] }
  endless: { mod: ./calc.wasm, fun: spin, args: [], config: { time: 60s, fuel: 9_000_000_000_000 } }
"#;

fn home() -> Home {
    let home = Home::new();
    home.file("calc.wasm", ipvm_testkit::component(ipvm_testkit::CALC));
    home.file("endless.yaml", WORKFLOW);
    home
}

/// Starts the workflow and returns once the quick task was reported.
fn start(home: &Home) -> (Child, BufReader<impl Read + use<>>) {
    let mut command = home.command(&["run", "endless.yaml"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(
        line.starts_with("ok quick") || line.starts_with("memo quick"),
        "{line}"
    );
    (child, lines)
}

pub(crate) fn interrupt(child: &Child) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn the_first_ctrl_c_stops_and_the_same_command_goes_on() {
    let home = home();
    for turn in 0..2 {
        let (mut child, mut stderr) = start(&home);
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let mut said = String::new();
        stderr.read_to_string(&mut said).unwrap();
        assert!(
            said.contains("stopped") && said.contains("the same command goes on"),
            "{said}"
        );
        let shown = home.json(&["workflow", "show", "endless", "--json"]);
        assert_eq!(
            shown["status"], "running",
            "unfinished, not failed: {shown}"
        );
        assert_eq!(
            shown["tasks"]["endless"]["status"], "pending",
            "turn {turn}"
        );
        assert_eq!(shown["tasks"]["quick"]["out"]["ok"], 3);
    }
    let runs = home.json(&["workflow", "list", "--json"]);
    assert_eq!(runs.as_array().unwrap().len(), 1, "one run went on: {runs}");
    assert_eq!(
        (&runs[0]["tasks"], &runs[0]["done"]),
        (&2.into(), &1.into()),
        "{runs}"
    );
}

#[test]
fn a_run_can_be_watched_and_cancelled_from_elsewhere() {
    let home = home();
    let (mut child, _stderr) = start(&home);
    let keys = home.json(&["key", "show", "--json"]);
    assert!(keys["owner"].is_string(), "looking works beside a run");
    home.run(&["add", "calc.wasm"])
        .code(1)
        .says("in use by another ipvm process");
    home.run(&["workflow", "cancel", "endless"])
        .code(0)
        .says("asked to stop");
    assert_eq!(
        child.wait().unwrap().code(),
        Some(1),
        "cancelled by somebody else is no Ctrl-C"
    );
    assert_eq!(
        home.json(&["workflow", "list", "--json"])[0]["status"],
        "cancelled"
    );
    home.run(&["workflow", "cancel", "endless"])
        .code(2)
        .says("not under way");
}
