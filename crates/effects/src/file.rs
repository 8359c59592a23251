//! `/crud/read` on `file:`: files inside granted folders.

use crate::account::{Account, FileAccount};
use crate::engine::Patience;
use crate::fault::{Fault, Probe, Problem};
use crate::request::Request;
use crate::{Kind, Provider};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};
use ipvm_ipld::Ipld;
use ipvm_ipld::fields::{Fields, as_string};
use ipvm_ucan::Command;
use ipvm_workflow::Class;
use std::io::{self, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use url::Url;

/// Bytes between two questions whether to stop.
const PIECE_BYTES: u64 = 1 << 20;

/// Reads files.
pub(crate) struct Files;

impl Provider for Files {
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
        read(&path, open(&path, account)?, request)
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

/// Opens the file that `path` names, if it is inside a granted folder. Each step of the way is taken from the folder on, so
/// that no link leads out of it, not even one that is put there meanwhile; a link to an absolute path is one that does.
fn open(path: &Path, account: &FileAccount) -> Result<File, Fault> {
    let failed = |error: io::Error| unreadable(path, &error);
    // What is outside by its name alone is not even looked at: whether it exists is nobody's business.
    let upwards = path.components().any(|part| part == Component::ParentDir);
    let inside = |folder| Some((folder, path.strip_prefix(folder).ok()?));
    let found = account.folders.iter().find_map(inside);
    let Some((folder, rest)) = found.filter(|_| !upwards) else {
        return Err(not_granted(path));
    };
    let folder = Dir::open_ambient_dir(folder, ambient_authority()).map_err(failed)?;
    let rest = if rest.as_os_str().is_empty() {
        Path::new(".")
    } else {
        rest
    };
    let failed = |error: io::Error| match error.kind() {
        // Linux's refusal (EXDEV), and that of the library elsewhere.
        ErrorKind::CrossesDevices => not_granted(path),
        ErrorKind::PermissionDenied if error.raw_os_error().is_none() => not_granted(path),
        _ => unreadable(path, &error),
    };
    // Asked before opening, since opening a pipe waits for its other end.
    if !folder.metadata(rest).map_err(failed)?.is_file() {
        return Err(not_a_file(path));
    }
    let file = folder.open(rest).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(not_a_file(path));
    }
    Ok(file)
}

fn not_granted(path: &Path) -> Fault {
    Fault::Refused(Problem::new(
        "not granted",
        format!(
            "{} is not inside a folder that this account grants, or a symbolic link leads out of it",
            path.display()
        ),
    ))
}

fn not_a_file(path: &Path) -> Fault {
    let message = format!("{} is not a file", path.display());
    Fault::Failed(Problem::new("not a file", message))
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let problem = Problem::new("not readable", format!("{}: {error}", path.display()));
    Fault::Failed(problem.with("path", path.display().to_string()))
}

fn read(path: &Path, mut file: File, request: &Request<'_>) -> Result<Ipld, Fault> {
    let patience = Patience::of(request);
    let mut bytes = Vec::new();
    loop {
        if patience.is_cancelled() {
            return Err(Fault::Cancelled);
        }
        if patience.is_over() {
            return Err(Fault::NotDone(patience.out_of_time(), None));
        }
        let more = file
            .by_ref()
            .take(PIECE_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(path, &error))?;
        if bytes.len() as u64 > request.limits.output {
            return Err(Fault::Failed(Problem::too_large(
                path.display(),
                request.limits.output,
            )));
        }
        if more == 0 {
            return Ok(Ipld::Bytes(bytes));
        }
    }
}
