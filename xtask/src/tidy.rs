//! `cargo xtask tidy`: holds the repository to its own habits. What the rules are, and why, is in `ARCHITECTURE.md`
//! and `CONTRIBUTING.md`; the table of layers is read from the former, so the document cannot go stale.
//! The rules are functions from text to findings; only this file walks the tree.

mod docs;
mod layers;
mod lex;
mod manifest;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Folders that hold what was built or fetched, not what was written.
const NOT_OURS: &[&str] = &[".git", "target", "node_modules", "ipvm-out"];

/// How deep the tree may go; a deeper one is a mistake such as a folder copied into itself.
const MAX_DEPTH: usize = 24;

/// One place that breaks a habit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the repository.
    path: String,
    /// 1-based; 0 where the file as a whole, or its absence, is meant.
    line: usize,
    /// What is wrong, and what to do.
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// The files of the repository, by path relative to it, with `/` between the parts.
pub(crate) struct Tree {
    root: PathBuf,
    files: BTreeSet<String>,
}

impl Tree {
    /// Lists all files below `root`, without following symbolic links.
    fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeSet::new();
        let mut folders = vec![(String::new(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            if depth > MAX_DEPTH {
                bail!("{folder} is more than {MAX_DEPTH} folders deep: is it copied into itself?");
            }
            let entries = std::fs::read_dir(root.join(&folder))
                .with_context(|| format!("cannot list `{folder}`"))?;
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = if folder.is_empty() {
                    name.clone()
                } else {
                    format!("{folder}/{name}")
                };
                let kind = entry.file_type()?;
                if kind.is_dir() && !NOT_OURS.contains(&name.as_str()) {
                    folders.push((path, depth + 1));
                } else if kind.is_file() {
                    files.insert(path);
                }
            }
        }
        Ok(Self {
            root: root.to_owned(),
            files,
        })
    }

    /// The texts of all files whose path `wanted` accepts.
    fn texts(&self, wanted: impl Fn(&str) -> bool) -> Result<BTreeMap<String, String>> {
        let paths = self.files.iter().filter(|path| wanted(path));
        paths
            .map(|path| Ok((path.clone(), self.text(path)?)))
            .collect()
    }

    fn text(&self, path: &str) -> Result<String> {
        std::fs::read_to_string(self.root.join(path))
            .with_context(|| format!("cannot read {path} as text"))
    }
}

/// Checks the repository this program was built from; prints what it finds.
///
/// # Errors
/// If anything was found, or a file cannot be read.
pub(crate) fn run() -> Result<()> {
    let root = repository()?;
    let tree = Tree::read(&root)?;
    let findings = check(&tree)?;
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {} files, nothing found", tree.files.len());
            Ok(())
        }
        count => bail!("tidy: {count} findings"),
    }
}

fn repository() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here
        .parent()
        .context("xtask lies at the root of the file system")?;
    Ok(root.to_owned())
}

fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let architecture = tree.text("ARCHITECTURE.md")?;
    let (layers, mut findings) = layers::parse(&architecture);
    let manifests = tree.texts(is_member_manifest)?;
    let sources = tree.texts(|path| path.ends_with(".rs"))?;
    findings.extend(manifest::check_members(&manifests, &layers));
    findings.extend(manifest::check_use(&manifests, &sources));
    findings.extend(manifest::check_root(&tree.text("Cargo.toml")?, &layers));
    findings.extend(source::check(&sources, &layers));
    let documents = tree.texts(|path| path.ends_with(".md"))?;
    findings.extend(docs::check_links(&documents, &tree.files));
    findings.extend(docs::check_examples(&tree.files, &|path| {
        is_executable(&tree.root.join(path))
    }));
    findings.sort();
    findings.dedup();
    Ok(findings)
}

fn is_member_manifest(path: &str) -> bool {
    let folder = path.strip_suffix("/Cargo.toml").unwrap_or_default();
    folder == "xtask"
        || folder
            .strip_prefix("crates/")
            .is_some_and(|name| !name.contains('/'))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|meta| meta.permissions().mode() & 0o111 == 0o111)
}

/// Other systems do not record it; the checks on Unix see to it.
#[cfg(not(unix))]
fn is_executable(_: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// `cargo test --workspace` alone tells a contributor about every broken habit.
    #[test]
    fn the_repository_is_tidy() {
        let tree = Tree::read(&repository().unwrap()).unwrap();
        let findings: Vec<_> = check(&tree)
            .unwrap()
            .iter()
            .map(Finding::to_string)
            .collect();
        assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
    }

    /// A walk that saw nothing would find nothing.
    #[test]
    fn the_walk_sees_the_repository() {
        let tree = Tree::read(&repository().unwrap()).unwrap();
        for path in [
            "Cargo.toml",
            ".ci/run",
            "xtask/src/tidy.rs",
            "crates/ipld/src/lib.rs",
        ] {
            assert!(
                tree.files.contains(path),
                "{path} is not among {} files",
                tree.files.len()
            );
        }
        assert!(!tree.files.iter().any(|path| path.starts_with("target/")));
    }
}
