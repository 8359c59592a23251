//! The reserved forms: maps with one key that stand for something else.

use super::document::{Document, NodeId};
use ipvm_ucan::promise::Branch;

/// What a map with a single reserved key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `{link: CID}`.
    Link,
    /// `{bytes: base64}`.
    Bytes,
    /// `{file: path}`: a link to the file's content.
    File,
    /// `{text: path}`: the file as text.
    Text,
    /// `{param: name}`.
    Param,
    /// `{item: true}`.
    Item,
    /// `{await: label}` and the three forms of the wire.
    Await(Branch),
    /// `{quote: value}`: the value with no reserved forms in it.
    Quote,
}

/// The form of a map, and the value under its key; `None` if it is plain data.
pub(crate) fn form(doc: &Document, id: NodeId) -> Option<(Form, NodeId)> {
    let [entry] = doc.entries(id)? else {
        return None;
    };
    let form = match &*entry.key {
        "link" => Form::Link,
        "bytes" => Form::Bytes,
        "file" => Form::File,
        "text" => Form::Text,
        "param" => Form::Param,
        "item" => Form::Item,
        "await" => Form::Await(Branch::Ok),
        "quote" => Form::Quote,
        key => Form::Await(branch(key)?),
    };
    Some((form, entry.value))
}

/// The branch of a key that is reserved on the wire.
pub(crate) fn branch(key: &str) -> Option<Branch> {
    Branch::ALL.into_iter().find(|branch| branch.key() == key)
}
