//! Where and how large: what every bench is told.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use ipvm_node::{Access, Node};
use tempfile::TempDir;

use super::measure::Row;
use crate::receipts::{MAX_RECEIPTS, Mint};

/// Where the first arguments begin at most: there remain enough of them for all tasks of a call.
const FIRST_MAX: u32 = 1 << 31;

/// What the benches of one call have in common.
pub(crate) struct Setting {
    /// Whether it is only to be seen that everything works: tiny counts, and figures that mean nothing.
    pub(crate) quick: bool,
    /// A home with very many receipts, and how many of them are known by their number.
    pub(crate) large: Option<Large>,
    /// Argument of all tasks of this call, drawn from clock and process so that other calls have another; never that
    /// of the receipts in a large home.
    second: u32,
    /// First argument of the next task.
    first: Cell<u32>,
}

/// A home that `xtask receipts` has filled.
pub(crate) struct Large {
    pub(crate) home: PathBuf,
    pub(crate) receipts: u64,
}

impl Large {
    pub(crate) fn find(home: &Path) -> Result<Self> {
        ensure!(
            home.join("store").is_dir(),
            "no home at {}: `cargo xtask-release receipts --home {0}` makes one",
            home.display()
        );
        let node = Node::open(home, Access::Write)?;
        let receipts = Mint::new(&node)?.present(MAX_RECEIPTS)?;
        ensure!(
            receipts > 0,
            "{} was not filled by `cargo xtask-release receipts`",
            home.display()
        );
        Ok(Self {
            home: home.to_owned(),
            receipts,
        })
    }

    /// For names: `10,000,000 receipts`.
    pub(crate) fn name(&self) -> String {
        format!("{} receipts", grouped(self.receipts))
    }
}

impl Setting {
    /// What the command line asks for.
    pub(crate) fn new(quick: bool, home: Option<&Path>) -> Result<Self> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Self {
            quick,
            large: home.map(Large::find).transpose()?,
            second: 2 + (since.subsec_nanos() ^ std::process::id()),
            first: Cell::new(since.as_secs() as u32 % FIRST_MAX),
        })
    }

    /// Arguments for so many tasks that this home has not run: the second, and the first of those that count up.
    pub(crate) fn fresh(&self, tasks: usize) -> Result<[u32; 2]> {
        let first = self.first.get();
        self.first.set(first + u32::try_from(tasks)?);
        Ok([first, self.second])
    }

    /// `full`, or `quick` where it is only to be seen that everything works.
    pub(crate) fn count<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// A folder of its own on the disk of the repository's `target`: a temporary folder may be in memory, where
    /// waiting for the disk costs nothing.
    pub(crate) fn folder(&self) -> Result<TempDir> {
        let parent = root().join("target/bench");
        std::fs::create_dir_all(&parent)?;
        tempfile::tempdir_in(&parent).with_context(|| format!("a folder in {}", parent.display()))
    }

    /// The row of a figure that needs the large home, where there is none.
    pub(crate) fn without_large(name: &str) -> Row {
        Row::Missing {
            name: format!("{name}, 10,000,000 receipts"),
            why: "give --home DIR, a home made by `cargo xtask-release receipts --home DIR`".into(),
        }
    }

    /// The ipvm binary beside this one, built if figures are wanted.
    pub(crate) fn binary(&self) -> Result<PathBuf> {
        let binary = std::env::current_exe()?.with_file_name("ipvm");
        if !self.quick {
            let built = Command::new(env!("CARGO"))
                .args(["build", "--release", "--quiet", "--package", "ipvm"])
                .current_dir(root())
                .status()
                .context("building ipvm")?;
            ensure!(built.success(), "ipvm does not build");
        }
        if !binary.exists() {
            bail!("no {}: `cargo build --workspace`", binary.display());
        }
        Ok(binary)
    }
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A number with commas between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    //! Without these a row could name another number of receipts than it was measured on.
    use super::grouped;

    #[test]
    fn thousands_are_grouped() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (10_000_000, "10,000,000"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }
}
