//! `ipvm ucan`: rights.

mod execute;
mod give;
mod inspect;
mod io;
mod keep;
mod verify;

pub(super) use inspect::signed;

use crate::cli::Ucan;
use crate::context::Context;
use crate::fault::Code;

pub(crate) fn ucan(context: &mut Context, verb: Ucan) -> anyhow::Result<Code> {
    match verb {
        Ucan::Delegate { .. } => give::delegate(context, verb),
        Ucan::Invoke { .. } => give::invoke(context, verb),
        Ucan::Revoke {
            delegation,
            path,
            output,
        } => give::revoke(context, &delegation, &path, output.as_deref()),
        Ucan::Inspect { what, json } => inspect::inspect(context, &what, json),
        Ucan::Verify { .. } => verify::verify(context, &verb),
        Ucan::Execute { .. } => execute::execute(context, &verb),
        Ucan::List { json } => keep::list(context, json),
        Ucan::Import {
            file,
            accept,
            did_document,
            json,
        } => keep::import(
            context,
            file.as_deref(),
            accept.as_deref(),
            &did_document,
            json,
        ),
        Ucan::Export {
            delegations,
            output,
        } => keep::export(context, &delegations, output.as_deref()),
    }
}
