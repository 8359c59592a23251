//! The file format in which people write workflows: YAML 1.2, JSON or DAG-CBOR (wire-formats, "Workflow").
//!
//! [`parse`] reads a file, [`compile`] makes a [`Workflow`] of it. What the file refers to (files, modules,
//! petnames) comes from [`Sources`]. All errors name the place, the reason and the remedy.
//!
//! # The format in short
//! - `ipvm: "0.2"`, then `name`, `params`, `defaults`, `global`, `roles`, `tasks`, `outputs`, `rescue`, `meta`.
//! - A task has `mod`, `fun` and a list `args`, or `cmd`, `subject` and a map `args`; with `each`, `config`,
//!   `rescue` and, if it is not pure, `undo`.
//! - `each` is a list, `{glob: pattern}`, or `{param: name}` of a param that is one of these. It makes the tasks
//!   `label[0]`, `label[1]` and so on; `{item: true}` in their `args` is the item. The items of a glob are the
//!   contents of the files (as `{file: path}`), in the byte order of their paths.
//! - `{await: label}` is the ok value of a task, `{await/ok: …}`, `{await/error: …}` and `{await/*: …}` as on
//!   the wire; for a task with `each`, the list of all its items' values; `{await: "label[3]"}` is one of them.
//!   A Task CID instead of a label awaits a task of another workflow.
//! - `{link: CID}`, `{bytes: base64}`, `{file: path}`, `{text: path}`, `{param: name}` are inline data;
//!   `{quote: value}` is the value as it is. These forms are maps with exactly one key.
//! - A param's value has neither awaits nor params in it. `--set name=value` replaces it: `@path` is
//!   `{file: path}`, from the current folder; else JSON or the flow style of YAML; else text.
//! - Numbers in a configuration may have `_` and a unit: `256MiB`, `30s`. Without a unit they are bytes and
//!   milliseconds, as on the wire.
//! - `outputs` maps labels to relative paths; that of a task with `each` has `{index}` in it.

mod assemble;
mod compiler;
mod document;
mod file;
mod form;
mod labels;
mod link;
mod outputs;
mod problem;
mod read;
mod shape;
mod similar;
mod sources;
mod terms;
mod values;

pub use document::{Document, MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES, Position};
pub use file::FILE_VERSION;
pub use problem::{Diagnostic, Diagnostics, MAX_DIAGNOSTICS, Origin, Problem};
pub use read::parse;
pub use similar::nearest;
pub use sources::{ArgError, Base, FunctionError, SourceError, Sources};

use crate::config::Config;
use crate::plan::Plan;
use crate::task::NONCE_BYTES;
use crate::workflow::{Handler, MAX_ROOT_BYTES, Workflow};
use assemble::Parts;
use compiler::Compiler;
use document::{At, NodeId};
use file::File;
use ipvm_ipld::{Cid, Ipld, cbor};
use ipvm_ucan::Did;
use labels::Instance;
use link::Prepared;
use outputs::Wanted;
use shape::Report;
use sources::World;
use std::collections::BTreeMap;
use std::str::FromStr;
use values::{Budget, Place, Scope};

/// What a compilation needs to know besides the file.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose workflow it is: the subject of pure tasks, and of commands without another.
    pub owner: Did,
    /// Drawn for this run. It is used only if some task is not pure.
    pub nonce: [u8; NONCE_BYTES],
    /// Values for params, instead of those in the file; of equal keys the last counts.
    pub sets: Vec<Set>,
}

/// A value for a param from the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The param's name.
    pub key: String,
    /// `@path`, JSON, the flow style of YAML, or text.
    pub value: String,
}

/// A `--set` without `=`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} sets nothing; write NAME=VALUE, or NAME=@PATH for a file")]
pub struct SetError(String);

impl FromStr for Set {
    type Err = SetError;

    fn from_str(text: &str) -> Result<Self, SetError> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self {
                key: key.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(SetError(text.to_owned())),
        }
    }
}

/// A workflow made from a file. Steps are numbered by their labels in byte order, as in [`Plan`].
#[derive(Clone, Debug, PartialEq)]
pub struct Compiled {
    /// The name in the file; without one, the file's own name serves.
    pub name: Option<String>,
    /// The workflow. Its `meta` carries the name in the file and nothing volatile.
    pub plan: Plan,
    /// The labels of the file, in its order.
    pub labels: Vec<Label>,
    /// Which results become files.
    pub outputs: Vec<Output>,
    /// Every file that was read, with the CID of its content.
    pub sources: BTreeMap<(Base, String), Cid>,
    /// Where each step stands in the file, if the file has such places.
    pub positions: Vec<Option<Position>>,
}

/// A label of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// As in the file.
    pub name: String,
    /// It has `each`, and a step for every item.
    pub each: bool,
    /// Its steps, in the order of the items.
    pub steps: Vec<u32>,
}

/// A result that becomes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The step's label.
    pub label: String,
    /// The step.
    pub step: u32,
    /// Path below the output folder: relative, without `.` and `..`, parts joined by `/`.
    pub path: String,
}

/// Makes a workflow of a file.
///
/// # Errors
/// All independent errors up to [`MAX_DIAGNOSTICS`], in the order of the file.
pub fn compile(
    mut document: Document,
    settings: &Settings,
    sources: &mut dyn Sources,
) -> Result<Compiled, Diagnostics> {
    let sets = settings.sets.iter();
    let refused: Vec<Box<Diagnostic>> = sets
        .filter_map(|set| read::read_set(&mut document, &set.key, &set.value).err())
        .collect();
    let mut report = Report::new(&document);
    refused
        .into_iter()
        .for_each(|diagnostic| report.push(*diagnostic));
    let Some(file) = file::read(&mut report) else {
        return Err(report.into_diagnostics());
    };
    let mut compiler = Compiler::new(report, World::new(sources));
    let compiled = compiler.compile(&file, settings);
    match compiled {
        Some(compiled) if compiler.report.is_empty() => Ok(Compiled {
            sources: compiler.world.read,
            ..compiled
        }),
        _ => Err(compiler.report.into_diagnostics()),
    }
}

impl<'d> Compiler<'d, '_> {
    /// `None` only if something has been reported.
    fn compile(&mut self, file: &File<'d>, settings: &Settings) -> Option<Compiled> {
        self.set_params(file);
        let instances = self.expand(file);
        let (report, world) = (&mut self.report, &mut self.world);
        let mut config = |id: Option<NodeId>| id.and_then(|id| terms::config(report, world, id));
        let (global, defaults): (Option<Config>, Option<Config>) =
            (config(file.global), config(file.defaults));
        let rescue: Option<Handler> = file.rescue.and_then(|id| terms::handler(report, world, id));
        let roles = file.roles.and_then(|id| terms::roles(report, world, id));
        let meta = self.meta(file);
        let prepared: Vec<Prepared> = file
            .tasks
            .iter()
            .map(|spec| self.prepare(spec, &settings.owner))
            .collect();
        let order = self.order(file, &instances);
        let wanted = file
            .outputs
            .map(|id| self.outputs(id, &instances))
            .unwrap_or_default();
        if instances.is_empty() && self.report.is_empty() {
            self.report.add(At::Node(Document::ROOT), Problem::NoTasks);
        }
        let nonce = nonce(&prepared, &instances, settings);
        let (owner, instances) = (&settings.owner, instances.as_slice());
        let parts = Parts {
            file,
            prepared: &prepared,
            instances,
            owner,
            nonce: &nonce,
        };
        let head = Workflow {
            nonce: nonce.clone(),
            meta,
            parent: None,
            roles,
            global,
            defaults,
            steps: BTreeMap::new(),
            rescue,
        };
        let steps = self.steps(parts, &order?, head)?;
        Some(Compiled {
            name: file.name.map(str::to_owned),
            labels: self.label_list(file, &steps.numbers),
            outputs: outputs(wanted, &steps.numbers),
            positions: positions(self.doc, file, instances, &steps.numbers),
            sources: BTreeMap::new(),
            plan: steps.plan,
        })
    }

    /// `meta`, with the name.
    fn meta(&mut self, file: &File<'d>) -> Option<BTreeMap<String, Ipld>> {
        let mut meta = BTreeMap::new();
        if let Some(id) = file.meta {
            let mut budget = Budget::of(MAX_ROOT_BYTES / 2);
            match self.value(id, Scope::of(Place::Meta), &mut budget) {
                Some(Ipld::Map(map)) if map.contains_key("name") => {
                    self.report.add(At::Node(id), Problem::MetaName);
                }
                Some(Ipld::Map(map)) => {
                    self.fits(id, &map);
                    meta = map;
                }
                Some(_) => self
                    .report
                    .expected(id, "a map", "write meta: { key: value }"),
                None => {}
            }
        }
        meta.extend(
            file.name
                .map(|name| ("name".to_owned(), Ipld::String(name.to_owned()))),
        );
        (!meta.is_empty()).then_some(meta)
    }

    /// Half of the workflow's root block is for `meta`.
    fn fits(&mut self, id: NodeId, meta: &BTreeMap<String, Ipld>) {
        let most = MAX_ROOT_BYTES / 2;
        match cbor::encode(&Ipld::Map(meta.clone())) {
            Ok(bytes) if bytes.len() <= most => {}
            Ok(_) => self.report.add(At::Node(id), Problem::TooLarge { most }),
            Err(e) => self.report.add(
                At::Node(id),
                Problem::Encode {
                    message: e.to_string(),
                },
            ),
        }
    }

    fn label_list(&self, file: &File<'d>, numbers: &[u32]) -> Vec<Label> {
        let label = |(index, spec): (usize, &file::Spec<'d>)| {
            let group = self.labels.group(index)?;
            let (first, count) = (group.first as usize, group.count as usize);
            let steps = numbers.get(first..first + count)?.to_vec();
            Some(Label {
                name: spec.label.to_owned(),
                each: group.each,
                steps,
            })
        };
        file.tasks.iter().enumerate().filter_map(label).collect()
    }
}

/// The workflow's nonce: none if no task has effects, by itself or by what it asks for. What `each` made no task of does not
/// count.
fn nonce(prepared: &[Prepared], instances: &[Instance], settings: &Settings) -> Vec<u8> {
    let mut specs = instances
        .iter()
        .filter_map(|instance| prepared.get(instance.spec));
    if specs.any(Prepared::has_effects) {
        settings.nonce.to_vec()
    } else {
        Vec::new()
    }
}

fn outputs(wanted: Vec<Wanted>, numbers: &[u32]) -> Vec<Output> {
    let output = |wanted: Wanted| {
        let step = *numbers.get(wanted.instance as usize)?;
        Some(Output {
            label: wanted.label,
            step,
            path: wanted.path,
        })
    };
    wanted.into_iter().filter_map(output).collect()
}

fn positions(
    document: &Document,
    file: &File<'_>,
    instances: &[Instance],
    numbers: &[u32],
) -> Vec<Option<Position>> {
    let mut positions = vec![None; instances.len()];
    for (instance, number) in instances.iter().zip(numbers) {
        let spec = file.tasks.get(instance.spec);
        if let (Some(spec), Some(position)) = (spec, positions.get_mut(*number as usize)) {
            *position = document.position(spec.at);
        }
    }
    positions
}
