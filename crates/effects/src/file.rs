//! `/crud/read` on `file:`: files inside granted folders.

use crate::account::{Account, FileAccount};
use crate::fault::{Fault, Probe, Problem};
use crate::request::Request;
use crate::{Kind, Provider};
use ipvm_ipld::Ipld;
use ipvm_ipld::fields::{Fields, as_string};
use ipvm_ucan::Command;
use ipvm_workflow::Class;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use url::Url;

/// Bytes between two questions whether to stop.
const PIECE_BYTES: u64 = 1 << 20;

/// Reads files.
pub(crate) struct File;

impl Provider for File {
    fn class(&self, command: &Command, account: &Account) -> Option<Class> {
        let offered = command.as_str() == "/crud/read" && account.kind() == Kind::File;
        offered.then_some(Class::Query)
    }

    fn perform(&self, request: &Request<'_>) -> Result<Ipld, Fault> {
        if request.command.as_str() != "/crud/read" {
            return Err(Fault::Refused(Problem::not_offered(request.command)));
        }
        let path = path_of(request)?;
        let account = account_of(request.account).map_err(Fault::Refused)?;
        read(&inside(&path, account)?, request)
    }

    fn probe(&self, _: &Request<'_>) -> Result<Probe, Fault> {
        Ok(Probe::NotDone)
    }

    fn test(&self, account: &Account) -> Result<String, Problem> {
        let account = account_of(account)?;
        if account.folders.is_empty() {
            return Ok("no folder is granted".to_owned());
        }
        let seen = account.folders.iter().map(|folder| {
            let entries = folder.read_dir().map_err(|error| {
                Problem::new(
                    "not readable",
                    format!("the folder {} cannot be read: {error}", folder.display()),
                )
            })?;
            Ok(format!("{}: {} entries", folder.display(), entries.count()))
        });
        Ok(seen.collect::<Result<Vec<_>, Problem>>()?.join("\n"))
    }
}

fn account_of(account: &Account) -> Result<&FileAccount, Problem> {
    match account {
        Account::File(account) => Ok(account),
        other => Err(Problem::wrong_account(Kind::File, other.kind())),
    }
}

/// The path that the arguments name.
fn path_of(request: &Request<'_>) -> Result<PathBuf, Fault> {
    let bad = |error: &dyn std::fmt::Display| Fault::bad_arguments(error.to_string());
    let mut fields =
        Fields::new(Ipld::Map(request.args.clone()), "the arguments").map_err(|e| bad(&e))?;
    let uri = fields.get("uri", as_string).map_err(|e| bad(&e))?;
    fields.finish().map_err(|e| bad(&e))?;
    let url = Url::parse(&uri).map_err(|e| bad(&format!("the uri {uri:?} cannot be read: {e}")))?;
    if url.scheme() != "file" || url.query().is_some() || url.fragment().is_some() {
        return Err(bad(&format!(
            "the uri {uri:?} is no plain file: URI; write file:///path/to/file"
        )));
    }
    url.to_file_path()
        .map_err(|()| bad(&format!("the uri {uri:?} names no file of this machine")))
}

/// The file itself, all symbolic links followed, if it is inside a granted folder.
fn inside(path: &Path, account: &FileAccount) -> Result<PathBuf, Fault> {
    let refused = || {
        Fault::Refused(Problem::new(
            "not granted",
            format!(
                "{} is not inside a folder that this account grants",
                path.display()
            ),
        ))
    };
    // What is outside by its name alone is not even looked at: whether it exists is nobody's business.
    let upwards = path.components().any(|part| part == Component::ParentDir);
    if upwards
        || !account
            .folders
            .iter()
            .any(|folder| path.starts_with(folder))
    {
        return Err(refused());
    }
    let real = path
        .canonicalize()
        .map_err(|error| unreadable(path, &error))?;
    let granted = account
        .folders
        .iter()
        .filter_map(|folder| folder.canonicalize().ok())
        .any(|folder| real.starts_with(folder));
    if granted { Ok(real) } else { Err(refused()) }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Fault {
    let problem = Problem::new("not readable", format!("{}: {error}", path.display()));
    Fault::Failed(problem.with("path", path.display().to_string()))
}

fn read(path: &Path, request: &Request<'_>) -> Result<Ipld, Fault> {
    let started = std::time::Instant::now();
    let failed = |error: std::io::Error| unreadable(path, &error);
    let kind = path.metadata().map_err(failed)?;
    if !kind.is_file() {
        return Err(Fault::Failed(Problem::new(
            "not a file",
            format!("{} is not a file", path.display()),
        )));
    }
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    loop {
        if (request.cancel)() {
            return Err(Fault::Cancelled);
        }
        if started.elapsed() > request.limits.time {
            return Err(Fault::not_done(
                "timeout",
                format!("{} was not read in time", path.display()),
            ));
        }
        let more = file
            .by_ref()
            .take(PIECE_BYTES)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > request.limits.output {
            return Err(Fault::Failed(
                Problem::new(
                    "too large",
                    format!(
                        "{} has more than the allowed {} bytes",
                        path.display(),
                        request.limits.output
                    ),
                )
                .with("allowed", i128::from(request.limits.output)),
            ));
        }
        if more == 0 {
            return Ok(Ipld::Bytes(bytes));
        }
    }
}
