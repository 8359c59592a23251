//! `ipvm name`: what people here call principals.

use crate::cli::Name;
use crate::context::Context;
use crate::fault::Code;
use crate::ui::json;
use crate::ui::table::Table;
use std::io::Write;

pub(crate) fn name(context: &mut Context, verb: &Name) -> anyhow::Result<Code> {
    match verb {
        Name::Add { name, did } => {
            let node = context.writer()?;
            let did = node.principal(did)?;
            node.add_name(name, &did)?;
            Ok(Code::Done)
        }
        Name::Remove { name } => {
            context.writer()?.remove_name(name)?;
            Ok(Code::Done)
        }
        Name::List { json } => list(context, *json),
    }
}

fn list(context: &mut Context, json: bool) -> anyhow::Result<Code> {
    let names = context.reader()?.names()?;
    let out = &mut context.out;
    if json {
        json::list(out, |list| {
            names.iter().try_for_each(|named| {
                list.object(|o| {
                    o.text("name", &named.name)?;
                    o.text("did", named.did.as_str())?;
                    o.number("since", named.since)
                })
            })
        })?;
        writeln!(out)?;
    } else {
        let mut table = Table::default();
        for named in names {
            table.row([named.name, named.did.to_string()]);
        }
        table.write(out)?;
    }
    Ok(Code::Done)
}
