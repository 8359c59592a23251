//! Labels: the tasks that `each` makes, what an `await` names, and who waits for whom.

use super::document::{Document, NodeId, Value};
use super::form::{Form, form};
use super::problem::Problem;
use super::similar;
use super::sources::Base;
use ipvm_ipld::{Cid, codec, parse_cid};
use std::collections::HashMap;

/// An item of `each`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A value in the file or of a param.
    Value {
        /// Where.
        id: NodeId,
        /// It stands in a param, where there are neither awaits nor params.
        param: bool,
    },
    /// The content of a file that a glob found.
    File(String, Base),
}

/// One task to be: a spec, or a spec with one of its items.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    /// Index of the spec.
    pub(crate) spec: usize,
    /// Number of the item.
    pub(crate) index: usize,
    /// The item, if the spec has `each`.
    pub(crate) item: Option<Item>,
}

/// The instances of a spec.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) first: u32,
    pub(crate) count: u32,
    pub(crate) each: bool,
    /// The items could not be found out, which has been reported.
    pub(crate) unknown: bool,
}

/// What a label or CID in an `await` or an output names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// One instance.
    One(u32),
    /// All instances of a spec with `each`.
    All { first: u32, count: u32 },
    /// A task of another workflow.
    Outside(Cid),
    /// Something in the file that is wrong, which has been reported.
    Broken,
}

/// All labels of a file.
#[derive(Default)]
pub(crate) struct Labels<'d> {
    names: Vec<&'d str>,
    by_name: HashMap<&'d str, usize>,
    groups: Vec<Group>,
}

impl<'d> Labels<'d> {
    /// Adds the next spec.
    pub(crate) fn push(&mut self, name: &'d str, group: Group) {
        self.by_name.insert(name, self.names.len());
        self.names.push(name);
        self.groups.push(group);
    }

    pub(crate) fn group(&self, spec: usize) -> Option<Group> {
        self.groups.get(spec).copied()
    }

    /// All labels of the file.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'d str> {
        self.names.iter().copied()
    }

    /// The label of an instance, as on the wire.
    pub(crate) fn name(&self, instance: &Instance) -> String {
        let name = self.names.get(instance.spec).copied().unwrap_or_default();
        match instance.item {
            Some(_) => format!("{name}[{}]", instance.index),
            None => name.to_owned(),
        }
    }

    /// What a text names: a label, a label with a number, or the CID of a task.
    pub(crate) fn target(&self, text: &str) -> Result<Target, Problem> {
        if let Some(target) = self.by_label(text, text)? {
            return Ok(target);
        }
        if let Ok(cid) = parse_cid(text) {
            return task(&cid);
        }
        let base = text.split_once('[').map_or(text, |(base, _)| base);
        let similar = similar::nearest(base, self.names()).map(str::to_owned);
        Err(Problem::UnknownLabel {
            label: text.to_owned(),
            similar,
        })
    }

    fn by_label(&self, text: &str, whole: &str) -> Result<Option<Target>, Problem> {
        if let Some(group) = self.by_name.get(text).and_then(|spec| self.group(*spec)) {
            return Ok(Some(match group {
                Group { unknown: true, .. } => Target::Broken,
                Group {
                    each: true,
                    first,
                    count,
                    ..
                } => Target::All { first, count },
                Group { first, .. } => Target::One(first),
            }));
        }
        let Some((base, index)) = text
            .strip_suffix(']')
            .and_then(|text| text.rsplit_once('['))
        else {
            return Ok(None);
        };
        let Some(group) = self.by_name.get(base).and_then(|spec| self.group(*spec)) else {
            return Ok(None);
        };
        if group.unknown {
            return Ok(Some(Target::Broken));
        }
        if !group.each {
            return Err(Problem::NotEach {
                label: base.to_owned(),
            });
        }
        // Only the one way in which the labels are written.
        let index = index
            .parse::<u32>()
            .ok()
            .filter(|number| number.to_string() == index);
        match index.filter(|index| *index < group.count) {
            Some(index) => Ok(Some(Target::One(group.first + index))),
            None => Err(Problem::NoSuchItem {
                item: whole.to_owned(),
                label: base.to_owned(),
                count: group.count as usize,
            }),
        }
    }
}

/// A task outside the workflow.
pub(crate) fn task(cid: &Cid) -> Result<Target, Problem> {
    if cid.codec() == codec::DAG_CBOR {
        Ok(Target::Outside(*cid))
    } else {
        Err(Problem::NotTask {
            cid: cid.to_string(),
        })
    }
}

/// The awaits in a value.
#[derive(Default)]
pub(crate) struct Uses {
    /// What is awaited, and where it says so.
    pub(crate) awaits: Vec<(NodeId, Target)>,
    /// There is an `{item: true}`.
    pub(crate) item: bool,
}

/// Finds the awaits in a value, outside of quotes; `fault` is told of those that name nothing.
pub(crate) fn uses(
    doc: &Document,
    labels: &Labels<'_>,
    root: NodeId,
    fault: &mut dyn FnMut(NodeId, Problem),
) -> Uses {
    let mut uses = Uses::default();
    let mut pending = vec![root];
    while let Some(id) = pending.pop() {
        match (form(doc, id), doc.value(id)) {
            (Some((Form::Await(_), named)), _) => {
                let target = match doc.value(named) {
                    Value::Text(text) => labels.target(text),
                    Value::Link(cid) => task(cid),
                    // Its kind is judged where values are read.
                    _ => Ok(Target::Broken),
                };
                let target = target.unwrap_or_else(|problem| {
                    fault(named, problem);
                    Target::Broken
                });
                uses.awaits.push((named, target));
            }
            (Some((Form::Item, _)), _) => uses.item = true,
            (Some(_), _) => {}
            (None, Value::List(items)) => pending.extend(items.iter().rev()),
            (None, Value::Map(entries)) => {
                pending.extend(entries.iter().rev().map(|entry| entry.value))
            }
            (None, _) => {}
        }
    }
    uses
}
