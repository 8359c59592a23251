//! `ipvm key`: who owns this home and which agent works for them.

use crate::cli::Key;
use crate::context::{self, Context};
use crate::fault::{Code, Fault};
use crate::ui::json;
use crate::ui::table::Table;
use ipvm_node::{Access, Node, NodeError};
use std::io::Write;

pub(crate) fn key(context: &mut Context, verb: &Key) -> anyhow::Result<Code> {
    match verb {
        Key::New { json } => new(context, *json),
        Key::List { json } => {
            let node = context.reader()?;
            list(context, &node, *json)
        }
        Key::Show { json } => {
            let node = context.reader()?;
            show(context, &node, *json)
        }
    }
}

fn new(context: &mut Context, json: bool) -> anyhow::Result<Code> {
    let home = context::home()?;
    match Node::open(&home, Access::Read) {
        Err(NodeError::NoHome(_)) => {}
        opened => {
            opened?;
            let message = format!("{} has its keys already", home.display());
            let help =
                "`ipvm key show` prints them; for other keys set IPVM_HOME to another folder";
            return Err(Fault::usage(message, help).into());
        }
    }
    let node = Node::open(&home, Access::Write)?;
    show(context, &node, json)
}

fn show(context: &mut Context, node: &Node, json: bool) -> anyhow::Result<Code> {
    let (owner, agent) = (node.owner().to_string(), node.agent().to_string());
    let out = &mut context.out;
    if json {
        json::object(out, |o| {
            o.text("owner", &owner)?;
            o.text("agent", &agent)
        })?;
        writeln!(out)?;
    } else {
        let mut table = Table::default();
        table.row(["owner".to_owned(), owner]);
        table.row(["agent".to_owned(), agent]);
        table.row(["home".to_owned(), node.home().display().to_string()]);
        table.write(out)?;
    }
    Ok(Code::Done)
}

fn list(context: &mut Context, node: &Node, json: bool) -> anyhow::Result<Code> {
    let keys = [
        (
            "owner",
            node.owner(),
            "the person: asks for work and owns the results",
        ),
        (
            "agent",
            node.agent(),
            "this home: does the work and signs the receipts",
        ),
    ];
    let out = &mut context.out;
    if json {
        json::list(out, |list| {
            keys.iter().try_for_each(|(name, did, _)| {
                list.object(|o| {
                    o.text("name", name)?;
                    o.text("did", &did.to_string())
                })
            })
        })?;
        writeln!(out)?;
    } else {
        let mut table = Table::with_heading(&["NAME", "DID", ""]);
        for (name, did, what) in keys {
            table.row([name.to_owned(), did.to_string(), what.to_owned()]);
        }
        table.write(out)?;
    }
    Ok(Code::Done)
}
