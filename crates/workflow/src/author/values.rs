//! Values of the file as IPLD: inline data, reserved forms, promises.

use super::compiler::{Compiler, ParamValue};
use super::document::{At, NodeId, Value};
use super::form::{Form, branch, form};
use super::labels::{Item, Target};
use super::problem::Problem;
use super::similar;
use super::sources::Base;
use crate::workflow::MAX_TASK_BYTES;
use data_encoding::{BASE64, BASE64_NOPAD};
use ipvm_ipld::{Ipld, parse_cid};
use ipvm_ucan::promise::{Await, Branch};

/// Bytes of an encoded link, and of an encoded promise, at least.
const LINK_BYTES: usize = 40;
const AWAIT_BYTES: usize = 50;

/// Where a value stands: what it may refer to follows from that.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The arguments of a task, or of what undoes it.
    Args,
    /// An item of a list under `each`.
    Each,
    Param,
    Meta,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Args => "the arguments",
            Self::Each => "\"each\"",
            Self::Param => "a param",
            Self::Meta => "\"meta\"",
        }
    }
}

/// A place, and the item that `{item: true}` stands for there.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) place: Place,
    pub(crate) item: Option<&'a Item>,
}

impl Scope<'_> {
    pub(crate) const fn of(place: Place) -> Self {
        Self { place, item: None }
    }
}

/// What a value may still cost, in bytes that its encoding will have at least. A small file can stand for a
/// huge value (a large param, used many times), so values are cut off while they are made.
pub(crate) struct Budget {
    taken: usize,
    most: usize,
}

impl Budget {
    /// What the arguments of a task, or a param, may cost.
    pub(crate) fn of_task() -> Self {
        Self::of(MAX_TASK_BYTES)
    }

    pub(crate) fn of(most: usize) -> Self {
        Self { taken: 0, most }
    }

    /// What was taken so far.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }
}

impl Compiler<'_, '_> {
    /// A value as IPLD. `None` if something in it is wrong, which is reported, or depends on what is wrong.
    ///
    /// The recursion is as deep as the file, and once more for an item.
    pub(crate) fn value(
        &mut self,
        id: NodeId,
        scope: Scope<'_>,
        budget: &mut Budget,
    ) -> Option<Ipld> {
        if let Some((form, inner)) = form(self.doc, id) {
            return self.form(form, inner, scope, budget);
        }
        match self.doc.value(id) {
            Value::List(items) => {
                // All items are looked at, so that all errors are found.
                let values: Vec<_> = items
                    .iter()
                    .map(|item| self.value(*item, scope, budget))
                    .collect();
                self.charge(1, id, budget)?;
                values.into_iter().collect::<Option<_>>().map(Ipld::List)
            }
            Value::Map(entries) => {
                let mut values = Vec::with_capacity(entries.len());
                for (index, entry) in entries.iter().enumerate() {
                    if branch(&entry.key).is_some() {
                        let key = entry.key.to_string();
                        self.report
                            .add(At::Key(id, index), Problem::AwaitNotAlone { key });
                    }
                    self.charge(1 + entry.key.len(), id, budget)?;
                    values.push((
                        entry.key.to_string(),
                        self.value(entry.value, scope, budget),
                    ));
                }
                values
                    .into_iter()
                    .map(|(key, value)| Some((key, value?)))
                    .collect::<Option<_>>()
                    .map(Ipld::Map)
            }
            _ => self.scalar(id, budget),
        }
    }

    /// A value in which nothing is reserved, except what is reserved on the wire.
    fn quoted(&mut self, id: NodeId, budget: &mut Budget) -> Option<Ipld> {
        match self.doc.value(id) {
            Value::List(items) => {
                let values: Vec<_> = items
                    .iter()
                    .map(|item| self.quoted(*item, budget))
                    .collect();
                self.charge(1, id, budget)?;
                values.into_iter().collect::<Option<_>>().map(Ipld::List)
            }
            Value::Map(entries) => {
                let mut values = Vec::with_capacity(entries.len());
                for (index, entry) in entries.iter().enumerate() {
                    if branch(&entry.key).is_some() {
                        let key = entry.key.to_string();
                        self.report
                            .add(At::Key(id, index), Problem::QuotedAwait { key });
                        return None;
                    }
                    self.charge(1 + entry.key.len(), id, budget)?;
                    values.push((entry.key.to_string(), self.quoted(entry.value, budget)));
                }
                values
                    .into_iter()
                    .map(|(key, value)| Some((key, value?)))
                    .collect::<Option<_>>()
                    .map(Ipld::Map)
            }
            _ => self.scalar(id, budget),
        }
    }

    fn scalar(&mut self, id: NodeId, budget: &mut Budget) -> Option<Ipld> {
        let (value, cost) = match self.doc.value(id) {
            Value::Bool(value) => (Ipld::Bool(*value), 1),
            Value::Int(number) => (Ipld::Integer((*number).into()), 1),
            Value::Float(number) => (Ipld::Float(*number), 9),
            Value::Text(text) => (Ipld::String(text.to_string()), 1 + text.len()),
            Value::Bytes(bytes) => (Ipld::Bytes(bytes.to_vec()), 1 + bytes.len()),
            Value::Link(cid) => (Ipld::Link(**cid), LINK_BYTES),
            Value::Null | Value::List(_) | Value::Map(_) => (Ipld::Null, 1),
        };
        self.charge(cost, id, budget)?;
        Some(value)
    }

    fn form(
        &mut self,
        form: Form,
        inner: NodeId,
        scope: Scope<'_>,
        budget: &mut Budget,
    ) -> Option<Ipld> {
        match form {
            Form::Quote => self.quoted(inner, budget),
            Form::Param => self.param(inner, scope, budget),
            Form::Item => self.item(inner, scope, budget),
            Form::Await(branch) => self.promise(branch, inner, scope, budget),
            Form::Link => {
                self.charge(LINK_BYTES, inner, budget)?;
                self.link(inner)
            }
            Form::File => {
                self.charge(LINK_BYTES, inner, budget)?;
                let path = self
                    .report
                    .text(inner, "the path of a file", "write {file: path}")?;
                let base = self.base(inner);
                self.world
                    .file(&mut self.report, At::Node(inner), path, base)
                    .map(Ipld::Link)
            }
            Form::Text => {
                let path =
                    self.report
                        .text(inner, "the path of a text file", "write {text: path}")?;
                let base = self.base(inner);
                let text = self
                    .world
                    .text(&mut self.report, At::Node(inner), path, base)?;
                self.charge(1 + text.len(), inner, budget)?;
                Some(Ipld::String(text))
            }
            Form::Bytes => {
                let bytes = self.bytes(inner)?;
                self.charge(1 + bytes.len(), inner, budget)?;
                Some(Ipld::Bytes(bytes))
            }
        }
    }

    fn link(&mut self, id: NodeId) -> Option<Ipld> {
        if let Value::Link(cid) = self.doc.value(id) {
            return Some(Ipld::Link(**cid));
        }
        let text = self.report.text(id, "a CID", "write {link: CID}")?;
        match parse_cid(text) {
            Ok(cid) => Some(Ipld::Link(cid)),
            Err(e) => {
                self.report.add(
                    At::Node(id),
                    Problem::BadCid {
                        message: e.to_string(),
                    },
                );
                None
            }
        }
    }

    /// Standard base64, with or without padding; white space is passed over, so that lines can be broken.
    fn bytes(&mut self, id: NodeId) -> Option<Vec<u8>> {
        if let Value::Bytes(bytes) = self.doc.value(id) {
            return Some(bytes.to_vec());
        }
        let text = self.report.text(id, "base64", "write {bytes: base64}")?;
        let text: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let padded = text.last() == Some(&b'=');
        let decoded = if padded {
            BASE64.decode(&text)
        } else {
            BASE64_NOPAD.decode(&text)
        };
        match decoded {
            Ok(bytes) => Some(bytes),
            Err(e) => {
                self.report.add(
                    At::Node(id),
                    Problem::BadBase64 {
                        message: e.to_string(),
                    },
                );
                None
            }
        }
    }

    fn param(&mut self, id: NodeId, scope: Scope<'_>, budget: &mut Budget) -> Option<Ipld> {
        if scope.place == Place::Param {
            self.report.add(
                At::Node(id),
                Problem::ParamOutside {
                    place: scope.place.name(),
                },
            );
            return None;
        }
        let name = self
            .report
            .text(id, "the name of a param", "write {param: name}")?;
        match self.params.get(name).map(|param| &param.value) {
            Some(ParamValue::Ready(value, cost)) => {
                let (value, cost) = (value.clone(), *cost);
                self.charge(cost, id, budget)?;
                Some(value)
            }
            Some(ParamValue::Broken) => None,
            Some(ParamValue::Glob) => {
                self.report.add(
                    At::Node(id),
                    Problem::GlobOutside {
                        name: name.to_owned(),
                    },
                );
                None
            }
            None => {
                self.unknown_param(id, name);
                None
            }
        }
    }

    /// Reports the name of a param that there is not.
    pub(crate) fn unknown_param(&mut self, id: NodeId, name: &str) {
        let mut known: Vec<String> = self.params.keys().map(|name| (*name).to_owned()).collect();
        known.sort();
        let similar = similar::nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        self.report.add(
            At::Node(id),
            Problem::UnknownParam {
                name: name.to_owned(),
                known,
                similar,
            },
        );
    }

    fn item(&mut self, id: NodeId, scope: Scope<'_>, budget: &mut Budget) -> Option<Ipld> {
        if !matches!(self.doc.value(id), Value::Bool(true)) {
            self.report.expected(
                id,
                "true",
                "write {item: true}, or {quote: {item: …}} for a plain map",
            );
            return None;
        }
        match scope.item {
            None => {
                self.report.add(At::Node(id), Problem::ItemOutside);
                None
            }
            Some(Item::Value { id, param }) => {
                let place = if *param { Place::Param } else { Place::Each };
                self.value(*id, Scope::of(place), budget)
            }
            Some(Item::File(path, base)) => {
                self.charge(LINK_BYTES, id, budget)?;
                self.world
                    .file(&mut self.report, At::Node(id), path, *base)
                    .map(Ipld::Link)
            }
        }
    }

    fn promise(
        &mut self,
        branch: Branch,
        id: NodeId,
        scope: Scope<'_>,
        budget: &mut Budget,
    ) -> Option<Ipld> {
        if matches!(scope.place, Place::Param | Place::Meta) {
            self.report.add(
                At::Node(id),
                Problem::AwaitOutside {
                    place: scope.place.name(),
                },
            );
            return None;
        }
        let target = match self.doc.value(id) {
            // What names nothing was reported when the order of the tasks was found.
            Value::Text(text) => self.labels.target(text).unwrap_or(Target::Broken),
            Value::Link(cid) => super::labels::task(cid).unwrap_or(Target::Broken),
            _ => {
                self.report
                    .expected(id, "the label or CID of a task", "write {await: label}");
                Target::Broken
            }
        };
        match target {
            Target::Broken => None,
            Target::Outside(task) => {
                self.charge(AWAIT_BYTES, id, budget)?;
                Some(Await { branch, task }.to_ipld())
            }
            Target::One(instance) => {
                self.charge(AWAIT_BYTES, id, budget)?;
                Some(
                    Await {
                        branch,
                        task: self.task_of(instance)?,
                    }
                    .to_ipld(),
                )
            }
            Target::All { first, count } => {
                self.charge(AWAIT_BYTES.saturating_mul(count as usize), id, budget)?;
                let promise = |instance| {
                    Some(
                        Await {
                            branch,
                            task: self.task_of(instance)?,
                        }
                        .to_ipld(),
                    )
                };
                (first..first + count)
                    .map(promise)
                    .collect::<Option<_>>()
                    .map(Ipld::List)
            }
        }
    }

    /// What relative paths in a value start from.
    pub(crate) fn base(&self, id: NodeId) -> Base {
        if self.doc.set_of(id).is_some() {
            Base::CommandLine
        } else {
            Base::File
        }
    }

    /// Takes from the budget. Where it ends is reported once.
    fn charge(&mut self, cost: usize, id: NodeId, budget: &mut Budget) -> Option<()> {
        let ended = budget.taken > budget.most;
        budget.taken = budget.taken.saturating_add(cost);
        if budget.taken <= budget.most {
            return Some(());
        }
        if !ended {
            self.report
                .add(At::Node(id), Problem::TooLarge { most: budget.most });
        }
        None
    }
}
