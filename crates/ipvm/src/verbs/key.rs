//! `ipvm key`: who owns this home and which agent works for them.

use crate::cli::{Key, KeyName, KeyType};
use crate::context::{self, Context, passphrase};
use crate::fault::{Code, Fault};
use crate::people::{People, former_name};
use crate::ui::human::time;
use crate::ui::json;
use crate::ui::table::Table;
use ipvm_node::{Access, Node, NodeError, WhichKey};
use ipvm_ucan::Algorithm;
use std::io::Write;

pub(crate) fn key(context: &mut Context, verb: &Key) -> anyhow::Result<Code> {
    match verb {
        Key::New { key_type, json } => new(context, *key_type, *json),
        Key::List { json } => {
            let node = context.reader()?;
            list(context, &node, *json)
        }
        Key::Show { json } => {
            let node = context.reader()?;
            show(context, &node, *json)
        }
        Key::Protect => protect(context),
        Key::Unprotect => {
            context.writer()?.protect_keys(None)?;
            context.note("the keys are readable without a passphrase from now on");
            Ok(Code::Done)
        }
        Key::Rotate {
            which,
            key_type,
            json,
        } => rotate(context, *which, *key_type, *json),
    }
}

fn new(context: &mut Context, key_type: KeyType, json: bool) -> anyhow::Result<Code> {
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
    let node = Node::open_new(&home, algorithm(key_type))?;
    show(context, &node, json)
}

fn protect(context: &Context) -> anyhow::Result<Code> {
    let node = context.writer()?;
    let passphrase = passphrase::new()?;
    node.protect_keys(Some(&passphrase))?;
    context.note("the keys are sealed: from now on the passphrase is needed to sign; nothing else opens them");
    Ok(Code::Done)
}

fn algorithm(key_type: KeyType) -> Algorithm {
    match key_type {
        KeyType::Ed25519 => Algorithm::Ed25519,
        KeyType::P256 => Algorithm::P256,
        KeyType::Secp256k1 => Algorithm::Secp256k1,
    }
}

fn rotate(
    context: &mut Context,
    which: KeyName,
    key_type: Option<KeyType>,
    json: bool,
) -> anyhow::Result<Code> {
    let node = context.writer()?;
    let which = match which {
        KeyName::Owner => WhichKey::Owner,
        KeyName::Agent => WhichKey::Agent,
    };
    let rotated = node.rotate_key(which, key_type.map(algorithm))?;
    let (former, now) = (rotated.former.to_string(), rotated.now.to_string());
    let out = &mut context.out;
    if json {
        json::object(out, |o| {
            o.text("former", &former)?;
            o.text("now", &now)
        })?;
        writeln!(out)?;
    } else {
        let mut table = Table::default();
        table.row(["former".to_owned(), former]);
        table.row(["now".to_owned(), now]);
        table.write(out)?;
    }
    Ok(Code::Done)
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
    let mut keys = vec![
        (
            "owner",
            node.owner().clone(),
            "the person: asks for work and owns the results".to_owned(),
        ),
        (
            "agent",
            node.agent().clone(),
            "this home: does the work and signs the receipts".to_owned(),
        ),
    ];
    for (which, did, since) in node.former_keys()? {
        let replaced = format!("replaced {}", time(since));
        keys.push((former_name(which), did, replaced));
    }
    let protected = node.keys_are_protected();
    let out = &mut context.out;
    if json {
        json::list(out, |list| {
            keys.iter().try_for_each(|(name, did, _)| {
                list.object(|o| {
                    o.text("name", name)?;
                    o.text("did", did.as_str())?;
                    o.flag("protected", protected && !name.starts_with("former"))
                })
            })
        })?;
        writeln!(out)?;
    } else {
        let mut table = Table::with_heading(&["NAME", "DID", ""]);
        let people = People::of(node)?;
        for (name, did, mut what) in keys {
            let given = people.given(&did);
            if !given.is_empty() {
                what = format!("{what}; you call it {}", given.join(", "));
            }
            table.row([name.to_owned(), did.to_string(), what]);
        }
        table.write(out)?;
        if protected {
            context.note("protected by a passphrase");
        }
    }
    Ok(Code::Done)
}
