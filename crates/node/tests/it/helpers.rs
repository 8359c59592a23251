//! A folder with a workflow, and the node that runs it.

use std::collections::BTreeMap;
use std::path::Path;

use ipvm_ipld::json;
use ipvm_node::{
    Access, Cancel, FileRequest, Node, Prepared, Progress, RunOptions, RunReport, StepReport,
};
use ipvm_testkit::Folder;

/// Opens the home of a folder for writing.
pub(crate) fn open(home: &Path) -> Node {
    Node::open(home, Access::Write).unwrap()
}

pub(crate) fn prepare(node: &Node, folder: &Folder) -> Prepared {
    let request = FileRequest {
        file: folder.path("workflow.yaml"),
        ..FileRequest::default()
    };
    node.prepare(&request)
        .unwrap_or_else(|error| panic!("{error}: {error:?}"))
}

/// Runs the workflow of a folder.
pub(crate) fn run(node: &Node, folder: &Folder) -> RunReport {
    run_with(node, folder, RunOptions::default())
}

pub(crate) fn run_with(node: &Node, folder: &Folder, options: RunOptions) -> RunReport {
    let prepared = prepare(node, folder);
    let cancel = Cancel::new();
    node.run(&prepared, &options, &cancel, &mut |_: Progress<'_>| ())
        .unwrap()
}

/// Label → result as one line of DAG-JSON.
pub(crate) fn results(node: &Node, report: &RunReport) -> BTreeMap<String, String> {
    let outcome = |step: &StepReport| match step.receipt {
        Some(receipt) => json::to_string(&node.outcome(&receipt).unwrap().to_ipld()),
        None => "pending".to_owned(),
    };
    report
        .steps
        .iter()
        .map(|step| (step.label.clone(), outcome(&step)))
        .collect()
}

pub(crate) fn step(report: &RunReport, label: &str) -> StepReport {
    report.steps.find(label).expect("a step with this label")
}

/// One step that calls a function of the test module.
pub(crate) fn workflow(tasks: &str) -> String {
    format!("ipvm: \"0.2\"\nname: test\ntasks:\n{tasks}")
}
