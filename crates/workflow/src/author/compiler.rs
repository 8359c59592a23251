//! A compilation on its way: params, and the tasks that `each` makes.

use super::document::{At, Document, NodeId};
use super::file::{File, Spec};
use super::form::{Form, form};
use super::labels::{Group, Instance, Item, Labels};
use super::problem::Problem;
use super::shape::Report;
use super::similar;
use super::sources::World;
use super::values::{Budget, Place, Scope};
use crate::workflow::{MAX_LABEL_BYTES, MAX_TASKS};
use ipvm_ipld::{Cid, DIGEST_BYTES, Ipld, cid_of_digest, codec};
use std::collections::{BTreeMap, HashMap};

/// Bytes that a number adds to a label at most: `[99999]`.
const INDEX_BYTES: usize = 7;

/// Largest params, in bytes of all their values together. A short `{text: path}` can stand for much.
pub(crate) const MAX_PARAMS_BYTES: usize = 64 << 20;

/// Everything that the steps of a compilation share.
pub(crate) struct Compiler<'d, 's> {
    pub(crate) doc: &'d Document,
    pub(crate) report: Report<'d>,
    pub(crate) world: World<'s>,
    pub(crate) labels: Labels<'d>,
    pub(crate) params: HashMap<&'d str, Param>,
    /// Digests of Task CIDs by instance, as far as they are known.
    pub(crate) tasks: Vec<Option<[u8; DIGEST_BYTES]>>,
    /// Size of all tasks so far, in bytes.
    pub(crate) bytes: usize,
}

/// A param: its value, and where that stands.
pub(crate) struct Param {
    id: NodeId,
    pub(crate) value: ParamValue,
}

/// What a param is worth.
pub(crate) enum ParamValue {
    /// A value, and what it costs of a task's budget.
    Ready(Ipld, usize),
    /// `{glob: …}`, for `each`.
    Glob,
    /// Something wrong, which has been reported.
    Broken,
}

impl<'d, 's> Compiler<'d, 's> {
    pub(crate) fn new(report: Report<'d>, world: World<'s>) -> Self {
        let doc = report.doc;
        let (labels, params) = (Labels::default(), HashMap::new());
        Self {
            doc,
            report,
            world,
            labels,
            params,
            tasks: Vec::new(),
            bytes: 0,
        }
    }

    /// The CID of an instance's task, if it is known.
    pub(crate) fn task_of(&self, instance: u32) -> Option<Cid> {
        let digest = self.tasks.get(instance as usize)?.as_ref()?;
        Some(cid_of_digest(codec::DAG_CBOR, digest))
    }

    /// Works out the params: their values in the file, or those of `--set` instead.
    pub(crate) fn set_params(&mut self, file: &File<'d>) {
        let mut nodes: BTreeMap<&'d str, NodeId> = file.params.iter().copied().collect();
        let known: Vec<String> = nodes.keys().map(|name| (*name).to_owned()).collect();
        for (id, key) in &self.doc.sets {
            match nodes.get_mut(key.as_str()) {
                Some(node) => *node = *id,
                None => {
                    let similar =
                        similar::nearest(key, known.iter().map(String::as_str)).map(str::to_owned);
                    let problem = Problem::UnknownParam {
                        name: key.clone(),
                        known: known.clone(),
                        similar,
                    };
                    self.report.add(At::Node(*id), problem);
                }
            }
        }
        let mut left = MAX_PARAMS_BYTES;
        for (name, id) in nodes {
            let value = self.param_value(id, &mut left);
            self.params.insert(name, Param { id, value });
        }
    }

    /// The value of a param, if all params so far are not too large together.
    fn param_value(&mut self, id: NodeId, left: &mut usize) -> ParamValue {
        if glob(self.doc, id).is_some() {
            return ParamValue::Glob;
        }
        if *left == 0 {
            return ParamValue::Broken;
        }
        let mut budget = Budget::of_task();
        let value = self.value(id, Scope::of(Place::Param), &mut budget);
        *left = left.saturating_sub(budget.taken());
        if *left == 0 {
            self.report.add(At::Node(id), Problem::ParamsTooLarge);
        }
        value.map_or(ParamValue::Broken, |value| {
            ParamValue::Ready(value, budget.taken())
        })
    }

    /// All tasks to be, in the order of the file.
    pub(crate) fn expand(&mut self, file: &File<'d>) -> Vec<Instance> {
        let mut instances: Vec<Instance> = Vec::new();
        for (spec, entry) in file.tasks.iter().enumerate() {
            let items = entry.each.map(|each| self.items(each, entry));
            // The limit on tasks keeps all these numbers small.
            let first = u32::try_from(instances.len()).unwrap_or(u32::MAX);
            let mut group = Group {
                first,
                count: 1,
                each: items.is_some(),
                unknown: false,
            };
            match items {
                None => instances.push(Instance {
                    spec,
                    index: 0,
                    item: None,
                }),
                Some(None) => group.unknown = true,
                Some(Some(items)) => {
                    group.count = u32::try_from(items.len()).unwrap_or(u32::MAX);
                    let made = items.into_iter().enumerate();
                    instances.extend(made.map(|(index, item)| Instance {
                        spec,
                        index,
                        item: Some(item),
                    }));
                }
            }
            if instances.len() > MAX_TASKS {
                self.report
                    .add(entry.each.map_or(entry.at, At::Node), Problem::TooManyTasks);
                instances.truncate(first as usize);
                group.unknown = true;
            }
            self.labels.push(entry.label, group);
        }
        self.tasks = vec![None; instances.len()];
        instances
    }

    /// What `each` goes over: a list, the files that match a pattern, or a param that is one of these.
    fn items(&mut self, each: NodeId, spec: &Spec<'d>) -> Option<Vec<Item>> {
        if spec.label.len() + INDEX_BYTES > MAX_LABEL_BYTES {
            let why = "it is too long, with the numbers of its items";
            self.report.add(
                spec.at,
                Problem::BadName {
                    what: "label",
                    text: spec.label.to_owned(),
                    why,
                },
            );
        }
        if let Some((Form::Param, inner)) = form(self.doc, each) {
            let name =
                self.report
                    .text(inner, "the name of a param", "write each: {param: name}")?;
            let Some(id) = self.params.get(name).map(|param| param.id) else {
                self.unknown_param(inner, name);
                return None;
            };
            return self.listed(id, At::Node(inner), true);
        }
        self.listed(each, At::Node(each), false)
    }

    fn listed(&mut self, id: NodeId, at: At, param: bool) -> Option<Vec<Item>> {
        if let Some(inner) = glob(self.doc, id) {
            let pattern =
                self.report
                    .text(inner, "a pattern", "write {glob: \"./photos/*.jpg\"}")?;
            let base = self.base(inner);
            let paths = self
                .world
                .glob(&mut self.report, At::Node(inner), pattern, base)?;
            return Some(
                paths
                    .into_iter()
                    .map(|path| Item::File(path, base))
                    .collect(),
            );
        }
        let Some(items) = self.doc.items(id) else {
            let what = if param {
                "a param that is a list"
            } else {
                "a list, a param or a glob"
            };
            let help = "write each: [a, b, …], each: {param: name} or each: {glob: pattern}";
            let found = self.doc.value(id).kind();
            self.report.add(at, Problem::Expected { what, found, help });
            return None;
        };
        Some(
            items
                .iter()
                .map(|id| Item::Value { id: *id, param })
                .collect(),
        )
    }
}

/// The pattern of `{glob: pattern}`.
fn glob(doc: &Document, id: NodeId) -> Option<NodeId> {
    match doc.entries(id)? {
        [entry] if &*entry.key == "glob" => Some(entry.value),
        _ => None,
    }
}
