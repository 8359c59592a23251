//! `ipvm explain`: why look-ups hit or miss.

use crate::cli::Explain;
use crate::context::Context;
use crate::fault::Code;
use crate::ui::human::{clean, duration, time};
use crate::ui::json::{self, Done, Object};
use crate::ui::table::Table;
use crate::ui::term::Paint;
use ipvm_node::{Explanation, FileRequest, Why};
use ipvm_workflow::Class;
use std::io::Write;
use std::path::Path;

pub(crate) fn explain(context: &mut Context, verb: Explain) -> anyhow::Result<Code> {
    // A name that has the form of a CID and a file of that name: the file is what one sees.
    let found = match ipvm_ipld::parse_cid(&verb.what) {
        Ok(task) if !Path::new(&verb.what).exists() => vec![context.reader()?.explain_task(&task)?],
        _ if is_prefix(&verb.what) => {
            let node = context.reader()?;
            vec![node.explain_task(&node.find_cid(&verb.what)?)?]
        }
        _ => {
            // Reading a workflow adds the files that it names, as `run` does.
            let node = context.writer()?;
            let request = FileRequest {
                again: false,
                file: verb.what.into(),
                set: verb.source.set,
                allow: verb.source.allow_path,
            };
            node.explain(&node.prepare(&request)?)?
        }
    };
    let out = &mut context.out;
    if verb.json {
        json::list(out, |list| {
            found
                .iter()
                .try_for_each(|one| list.object(|o| write(o, one)))
        })?;
        writeln!(out)?;
    } else {
        let mut table = Table::default();
        found.iter().for_each(|one| table.row(row(one)));
        table.write(out)?;
    }
    Ok(Code::Done)
}

/// Whether this can only be the beginning of a CID: no file has the name.
fn is_prefix(name: &str) -> bool {
    name.starts_with("baf")
        && name.chars().all(|c| c.is_ascii_alphanumeric())
        && !Path::new(name).exists()
}

fn row(one: &Explanation) -> [String; 3] {
    let paint = Paint::stdout();
    let name = one
        .label
        .as_deref()
        .map_or_else(|| one.task.to_string(), |label| clean(label).into_owned());
    let secret = one.secret.as_ref();
    let because = secret.map_or_else(String::new, |why| format!("; secret: {}", clean(why)));
    let (word, why) = match &one.why {
        Why::Hit {
            receipt,
            started,
            saved_us,
            by,
        } => {
            let same = if *by == "task" {
                "the same task"
            } else {
                "the same computation"
            };
            let receipt = match one.secret {
                Some(_) => "sealed".to_owned(),
                None => receipt.to_string(),
            };
            let text = format!(
                "{same}, done {}, saves {}: {receipt}",
                time(*started),
                duration(*saved_us)
            );
            (paint.memo("hit"), text)
        }
        Why::Done { receipt, started } => {
            let receipt = match one.secret {
                Some(_) => "sealed".to_owned(),
                None => receipt.to_string(),
            };
            let text = format!("done in this run, {}: {receipt}", time(*started));
            (paint.good("done"), text)
        }
        Why::InDoubt { reason } => {
            let reason = clean(reason.as_deref().unwrap_or("a process ended in the middle"));
            let text = format!("{reason}; `ipvm workflow doubt list`");
            (paint.busy("in-doubt"), text)
        }
        Why::Miss { reasons } => {
            let reasons: Vec<String> = reasons
                .iter()
                .map(|reason| clean(&reason.to_string()).into_owned())
                .collect();
            (paint.busy("miss"), reasons.join("; "))
        }
    };
    let class = match one.class {
        Class::Pure if one.asks => "what it asks for is done once for each run; ".to_owned(),
        Class::Pure => String::new(),
        class => format!("{class}: "),
    };
    [word, name, format!("{class}{why}{because}")]
}

fn write(o: &mut Object<'_>, one: &Explanation) -> Done {
    o.maybe("label", one.label.as_deref())?;
    let is_open = one.secret.is_none();
    o.maybe("task", is_open.then(|| one.task.to_string()).as_deref())?;
    if let Some(why) = &one.secret {
        o.text("secret", why)?;
    }
    o.text("class", one.class.as_str())?;
    match &one.why {
        Why::Hit {
            receipt,
            started,
            saved_us,
            by,
        } => {
            o.text("verdict", "hit")?;
            o.text("by", by)?;
            o.maybe("receipt", is_open.then(|| receipt.to_string()).as_deref())?;
            o.number("started", *started)?;
            o.number("saved_us", *saved_us)
        }
        Why::Done { receipt, started } => {
            o.text("verdict", "done")?;
            o.maybe("receipt", is_open.then(|| receipt.to_string()).as_deref())?;
            o.number("started", *started)
        }
        Why::InDoubt { reason } => {
            o.text("verdict", "in-doubt")?;
            o.maybe("reason", reason.as_deref())
        }
        Why::Miss { reasons } => {
            o.text("verdict", "miss")?;
            o.list("reasons", |list| {
                reasons
                    .iter()
                    .try_for_each(|reason| list.text(&reason.to_string()))
            })
        }
    }
}
