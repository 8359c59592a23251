//! The structure of a workflow file: which keys there are and where. Values are looked into later.

use super::document::{At, Document, NodeId, Value};
use super::problem::Problem;
use super::shape::{Fields, Report};
use crate::task::WASM_RUN;
use crate::workflow::MAX_LABEL_BYTES;
use ipvm_ucan::Command;

/// The version of the file format.
pub const FILE_VERSION: &str = "0.2";
/// Longest name of a workflow, in characters.
const MAX_NAME: usize = 100;

const TOP: &[&str] = &[
    "ipvm", "name", "params", "defaults", "global", "roles", "tasks", "outputs", "rescue", "meta",
];
const TASK: &[&str] = &[
    "mod", "fun", "args", "each", "cmd", "subject", "config", "rescue", "undo",
];
const UNDO: &[&str] = &["mod", "fun", "args", "cmd", "subject"];

/// A workflow file whose keys are right.
pub(crate) struct File<'d> {
    pub(crate) name: Option<&'d str>,
    pub(crate) params: Vec<(&'d str, NodeId)>,
    pub(crate) defaults: Option<NodeId>,
    pub(crate) global: Option<NodeId>,
    pub(crate) roles: Option<NodeId>,
    pub(crate) rescue: Option<NodeId>,
    pub(crate) meta: Option<NodeId>,
    pub(crate) outputs: Option<NodeId>,
    pub(crate) tasks: Vec<Spec<'d>>,
}

/// One entry of `tasks`.
pub(crate) struct Spec<'d> {
    pub(crate) label: &'d str,
    pub(crate) at: At,
    pub(crate) each: Option<NodeId>,
    /// Absent if it is wrong, which has been reported.
    pub(crate) call: Option<Call>,
    pub(crate) config: Option<NodeId>,
    pub(crate) rescue: Option<NodeId>,
    pub(crate) undo: Option<Call>,
}

/// What a task does.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// A function of a module; both are text nodes.
    Wasm {
        module: NodeId,
        function: NodeId,
        args: Option<NodeId>,
    },
    /// Any other command.
    Command {
        command: Command,
        subject: Option<NodeId>,
        args: Option<NodeId>,
    },
}

impl Call {
    pub(crate) fn args(&self) -> Option<NodeId> {
        match self {
            Self::Wasm { args, .. } | Self::Command { args, .. } => *args,
        }
    }

    pub(crate) fn is_pure(&self) -> bool {
        match self {
            Self::Wasm { .. } => true,
            Self::Command { command, .. } => crate::class::is_pure(command),
        }
    }
}

/// Reads the structure. `None` if there is no use in looking further.
pub(crate) fn read<'d>(report: &mut Report<'d>) -> Option<File<'d>> {
    version(report)?;
    let top = report.fields(Document::ROOT, "a workflow file", TOP)?;
    let name = top.get("name").and_then(|id| name(report, id));
    let params = match top.get("params") {
        Some(id) => report
            .map(id, "a map of params", "write params: { name: value }")
            .unwrap_or_default(),
        None => &[],
    };
    let mut file = File {
        name,
        params: params
            .iter()
            .map(|entry| (&*entry.key, entry.value))
            .collect(),
        defaults: top.get("defaults"),
        global: top.get("global"),
        roles: top.get("roles"),
        rescue: top.get("rescue"),
        meta: top.get("meta"),
        outputs: top.get("outputs"),
        tasks: Vec::new(),
    };
    let Some(tasks) = top.get("tasks") else {
        report.add(At::Node(Document::ROOT), Problem::NoTasks);
        return Some(file);
    };
    let entries = report.map(
        tasks,
        "a map of tasks",
        "write tasks: { label: { mod: …, fun: … } }",
    )?;
    if entries.is_empty() {
        report.add(top.key("tasks"), Problem::NoTasks);
    }
    for (index, entry) in entries.iter().enumerate() {
        if report.is_full() {
            break;
        }
        let at = At::Key(tasks, index);
        label(report, at, &entry.key);
        file.tasks.push(spec(report, &entry.key, at, entry.value));
    }
    Some(file)
}

/// The version comes first: nothing else is judged in a file of another one.
fn version(report: &mut Report<'_>) -> Option<()> {
    let doc = report.doc;
    if doc.entries(Document::ROOT).is_none() {
        report.expected(
            Document::ROOT,
            "a workflow",
            "begin the file with ipvm: \"0.2\", then tasks",
        );
        return None;
    }
    let Some(id) = doc.get(Document::ROOT, "ipvm") else {
        let (of, example) = ("the file", "ipvm: \"0.2\" as its first line");
        report.add(
            At::Node(Document::ROOT),
            Problem::MissingKey {
                key: "ipvm",
                of,
                example,
            },
        );
        return None;
    };
    let found = match doc.value(id) {
        Value::Text(text) if &**text == FILE_VERSION => return Some(()),
        Value::Text(text) => format!("{:?}", &**text),
        Value::Float(number) => format!("{number} (a number; the version is text in quotes)"),
        Value::Int(number) => format!("{number} (a number; the version is text in quotes)"),
        other => other.kind().to_owned(),
    };
    report.add(At::Node(id), Problem::Version { found });
    None
}

fn name<'d>(report: &mut Report<'d>, id: NodeId) -> Option<&'d str> {
    let text = report.text(id, "the name of the workflow", "write a short text")?;
    let why = if text.is_empty() || text.trim() != text {
        "it is empty, or has spaces around it"
    } else if text.chars().count() > MAX_NAME {
        "it is too long"
    } else if text.starts_with('.')
        || text
            .chars()
            .any(|c| !(c.is_alphanumeric() || "-_. ".contains(c)))
    {
        "it is used as the name of a folder"
    } else {
        return Some(text);
    };
    report.add(
        At::Node(id),
        Problem::BadName {
            what: "name",
            text: text.to_owned(),
            why,
        },
    );
    None
}

fn label(report: &mut Report<'_>, at: At, text: &str) {
    let why = if text.is_empty() {
        "it is empty"
    } else if text.len() > MAX_LABEL_BYTES {
        "it is too long"
    } else if text
        .chars()
        .any(|c| !(c.is_alphanumeric() || "-_.".contains(c)))
    {
        "it has other characters than those"
    } else {
        return;
    };
    report.add(
        at,
        Problem::BadName {
            what: "label",
            text: text.to_owned(),
            why,
        },
    );
}

fn spec<'d>(report: &mut Report<'d>, label: &'d str, at: At, id: NodeId) -> Spec<'d> {
    let mut spec = Spec {
        label,
        at,
        each: None,
        call: None,
        config: None,
        rescue: None,
        undo: None,
    };
    let Some(task) = report.fields(id, "a task", TASK) else {
        return spec;
    };
    spec.each = task.get("each");
    spec.config = task.get("config");
    spec.rescue = task.get("rescue");
    spec.call = call(report, task, at);
    if let Some(id) = task.get("undo") {
        if spec.call.as_ref().is_some_and(Call::is_pure) {
            report.add(task.key("undo"), Problem::UndoPure);
        }
        let place = task.key("undo");
        spec.undo = report
            .fields(id, "\"undo\"", UNDO)
            .and_then(|undo| call(report, undo, place));
    }
    spec
}

/// `mod`, `fun` and `args`, or `cmd`, `subject` and `args`.
fn call(report: &mut Report<'_>, task: Fields<'_>, at: At) -> Option<Call> {
    let args = task.get("args");
    match (task.get("mod"), task.get("fun"), task.get("cmd")) {
        (None, None, Some(id)) => {
            let command = command(report, id)?;
            Some(Call::Command {
                command,
                subject: task.get("subject"),
                args,
            })
        }
        (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
            report.add(task.key("cmd"), Problem::TwoKinds);
            None
        }
        (module, function, None) => {
            if task.get("subject").is_some() {
                let help = "leave it out: functions are always called for the owner";
                report.add(
                    task.key("subject"),
                    Problem::NotWith {
                        key: "subject",
                        with: "mod",
                        help,
                    },
                );
            }
            let module = present(
                report,
                module,
                at,
                "mod",
                "mod: ./functions.wasm, or a CID (or cmd for another command)",
            );
            let function = present(
                report,
                function,
                at,
                "fun",
                "fun: and the name of a function of the module",
            );
            Some(Call::Wasm {
                module: module?,
                function: function?,
                args,
            })
        }
    }
}

/// The text under a key that has to be there.
fn present(
    report: &mut Report<'_>,
    id: Option<NodeId>,
    at: At,
    key: &'static str,
    example: &'static str,
) -> Option<NodeId> {
    let Some(id) = id else {
        report.add(
            at,
            Problem::MissingKey {
                key,
                of: "the task",
                example,
            },
        );
        return None;
    };
    let (what, help) = match key {
        "mod" => (
            "the path or CID of a module",
            "write the path of a .wasm file, or a CID",
        ),
        _ => ("the name of a function", "write the name as text"),
    };
    report.text(id, what, help).map(|_| id)
}

fn command(report: &mut Report<'_>, id: NodeId) -> Option<Command> {
    let text = report.text(id, "a command", "write a command such as /msg/send")?;
    if text == WASM_RUN {
        let help = "write \"mod\", \"fun\" and \"args\" instead of it";
        report.add(
            At::Node(id),
            Problem::NotWith {
                key: WASM_RUN,
                with: "cmd",
                help,
            },
        );
        return None;
    }
    match text.parse::<Command>() {
        // The root of all commands is a right, not something to do.
        Ok(command) if command.as_str() != "/" => Some(command),
        Ok(_) => {
            report.add(
                At::Node(id),
                Problem::BadCommand {
                    message: "\"/\" is not a command to run".into(),
                },
            );
            None
        }
        Err(e) => {
            report.add(
                At::Node(id),
                Problem::BadCommand {
                    message: e.to_string(),
                },
            );
            None
        }
    }
}
