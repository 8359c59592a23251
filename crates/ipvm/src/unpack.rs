//! A folder of the store as a folder on disk, and never a file outside it.
//!
//! Every name is one that leads nowhere else (the store's reader refuses others), folders are made one by one and must
//! lie in the target with all symlinks resolved, and only symbolic links that stay inside are made.

use crate::fault::Fault;
use crate::outputs::{descend, holds_already, leads_out, replace};
use anyhow::Context as _;
use indicatif::ProgressBar;
use ipvm_ipld::Cid;
use ipvm_node::{Item, Node};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path};

/// What [`unpack`] did.
#[derive(Debug, Default)]
pub(crate) struct Unpacked {
    /// Files in the folder.
    pub(crate) files: u64,
    /// Of them, those that were there already.
    pub(crate) equal: u64,
    /// Symbolic links that were not made: path, and why.
    pub(crate) refused: Vec<String>,
}

/// Writes the folder `cid` to `target`. Equal files are left alone; others are replaced only with `force`.
pub(crate) fn unpack(
    node: &Node,
    cid: &Cid,
    target: &Path,
    force: bool,
    bar: &ProgressBar,
) -> anyhow::Result<Unpacked> {
    let failed = || format!("cannot use {} as the folder", target.display());
    fs::create_dir_all(target).with_context(failed)?;
    let root = fs::canonicalize(target).with_context(failed)?;
    let mut unpacked = Unpacked::default();
    node.walk(cid, &mut |path, item| {
        let shown = target.join(path);
        let parts: Vec<&OsStr> = path.split('/').map(OsStr::new).collect();
        let Some((name, folders)) = parts.split_last() else {
            return Err(leads_out(&shown));
        };
        let folder = descend(&root, folders, &shown)?;
        let at = folder.join(name);
        match item {
            Item::Folder => make_folder(&at, &shown),
            Item::File(cid) => {
                unpacked.files += 1;
                let fill = |file: &mut dyn Write| {
                    node.export(&cid, &mut |bytes| {
                        bar.inc(bytes.len() as u64);
                        file.write_all(bytes)
                    })?;
                    Ok(())
                };
                if holds_already(&at, fill) {
                    unpacked.equal += 1;
                    return Ok(());
                }
                check_place(&at, &shown, force)?;
                replace(&at, fill).with_context(|| format!("cannot write {}", shown.display()))
            }
            Item::Symlink { target } if stays_inside(&target, folders.len()) => {
                make_link(&at, &target, &shown, force)
            }
            Item::Symlink { target } => {
                let why = "which may lead out of the folder";
                let refused = format!("{}, a symbolic link to {target:?}, {why}", shown.display());
                unpacked.refused.push(refused);
                Ok(())
            }
        }
    })?;
    Ok(unpacked)
}

fn make_folder(at: &Path, shown: &Path) -> anyhow::Result<()> {
    match fs::create_dir(at) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && at.is_dir() => Ok(()),
        made => made.with_context(|| format!("cannot make the folder {}", shown.display())),
    }
}

/// Whether something may be written here: nothing is there, or it may be replaced.
fn check_place(at: &Path, shown: &Path, force: bool) -> anyhow::Result<()> {
    let Ok(found) = fs::symlink_metadata(at) else {
        return Ok(());
    };
    let shown = shown.display();
    if found.is_dir() {
        let message = format!("{shown} is a folder here and none in the content");
        return Err(Fault::usage(message, "move it away, or choose another folder with -o").into());
    }
    if !force {
        let message = format!("{shown} is there already, with other content");
        let help = "--force replaces it; or choose another folder with -o";
        return Err(Fault::usage(message, help).into());
    }
    Ok(())
}

/// Whether a link `depth` folders below the root stays inside it, wherever other such links lead: it goes up first, not
/// beyond the root, and then only down.
fn stays_inside(target: &str, depth: usize) -> bool {
    let mut up = 0;
    let mut down = false;
    Path::new(target).components().all(|part| match part {
        Component::CurDir => true,
        Component::ParentDir => {
            up += 1;
            !down && up <= depth
        }
        Component::Normal(_) => {
            down = true;
            true
        }
        Component::RootDir | Component::Prefix(_) => false,
    })
}

#[cfg(unix)]
fn make_link(at: &Path, target: &str, shown: &Path, force: bool) -> anyhow::Result<()> {
    let failed = || format!("cannot make the symbolic link {}", shown.display());
    if fs::read_link(at).is_ok_and(|there| there == Path::new(target)) {
        return Ok(());
    }
    check_place(at, shown, force)?;
    if fs::symlink_metadata(at).is_ok() {
        fs::remove_file(at).with_context(failed)?;
    }
    std::os::unix::fs::symlink(target, at).with_context(failed)
}

#[cfg(not(unix))]
fn make_link(_: &Path, _: &str, shown: &Path, _: bool) -> anyhow::Result<()> {
    let message = format!("{} is a symbolic link", shown.display());
    Err(Fault::usage(message, "symbolic links cannot be made on this system").into())
}

#[cfg(test)]
mod tests {
    //! Without these, content from a stranger could lead out of the folder that it is written to.
    use super::stays_inside;

    #[test]
    fn links_stay_inside_or_are_refused() {
        for (target, depth, inside) in [
            ("a", 0, true),
            ("./a/b", 0, true),
            ("../a", 1, true),
            ("../../a", 2, true),
            ("..", 1, true),
            ("..", 0, false),
            ("../a", 0, false),
            ("../../a", 1, false),
            ("/etc/passwd", 5, false),
            // Where `a` is a link itself, `a/..` may be anywhere.
            ("a/..", 3, false),
            ("a/../b", 3, false),
            ("../a/../b", 3, false),
        ] {
            assert_eq!(stays_inside(target, depth), inside, "{target} at {depth}");
        }
    }
}
