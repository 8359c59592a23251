//! A copy of `main.db` in one state, and the block files that belong to it: what a backup is made of.

use crate::Store;
use crate::error::{Context, StoreError};
use crate::limits::WALK_ROWS;
use ipvm_ipld::Cid;
use rusqlite::{Connection, params};
use std::fs;
use std::path::{Path, PathBuf};

const COPYING: &str = "copying the database";
const LISTING: &str = "listing block files";
/// Start of the names of copies. One that is left behind by a crash is removed by the next.
const PREFIX: &str = "snapshot-";

/// A copy of `main.db`, without pages that are not used. It is removed when dropped.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
}

impl Snapshot {
    /// The file. It is complete: there is no WAL beside it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // What stays is removed by the next copy.
        let _ = fs::remove_file(&self.path);
    }
}

impl Store {
    /// Copies `main.db` as it is now, into the folder of the store; needs as much space as it uses. Other processes may
    /// read meanwhile.
    ///
    /// # Errors
    /// [`StoreError::ReadOnlyHandle`], or what the system said.
    pub fn snapshot(&mut self) -> Result<Snapshot, StoreError> {
        let writer = self.own_writer()?;
        let main = self.main.path();
        let folder = main.parent().unwrap_or(main);
        remove_left(folder)?;
        let path = folder.join(format!("{PREFIX}{}.db", std::process::id()));
        // Made by this program alone: SQLite opens what is there, with the rights that it has.
        create_private(&path).at(&path, COPYING)?;
        let snapshot = Snapshot { path };
        let path = snapshot.path();
        writer
            .execute("VACUUM INTO ?1", [path.to_string_lossy()])
            .at(path, COPYING)?;
        drop(writer);
        // The mode is kept in the file, and a copy is made in the other one.
        let copy = Connection::open(path).at(path, COPYING)?;
        copy.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
            .at(path, COPYING)?;
        copy.close()
            .map_err(|(_, error)| StoreError::sqlite(path, COPYING, &error))?;
        Ok(snapshot)
    }

    /// Calls `visit` with every block that is a file, and its length in bytes.
    ///
    /// # Errors
    /// Those of `visit`; [`StoreError::Damaged`], or what the system said.
    pub fn block_files<E: From<StoreError>>(
        &self,
        visit: &mut dyn FnMut(&Cid, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = 0;
        loop {
            let page = self.block_file_page(after)?;
            let Some((last, ..)) = page.last() else {
                return Ok(());
            };
            after = *last;
            for (_, cid, size) in &page {
                visit(cid, *size)?;
            }
        }
    }

    fn block_file_page(&self, after: i64) -> Result<Vec<(i64, Cid, u64)>, StoreError> {
        let path = self.main.path();
        let sql =
            "SELECT id, cid, size FROM block WHERE id > ?1 AND data IS NULL ORDER BY id LIMIT ?2";
        self.main.with(|conn| {
            let mut select = conn.prepare_cached(sql).at(path, LISTING)?;
            let mut rows = select
                .query(params![after, WALK_ROWS as i64])
                .at(path, LISTING)?;
            let mut page = Vec::new();
            while let Some(row) = rows.next().at(path, LISTING)? {
                let id: i64 = row.get(0).at(path, LISTING)?;
                let name: Vec<u8> = row.get(1).at(path, LISTING)?;
                let size: i64 = row.get(2).at(path, LISTING)?;
                let cid = Cid::try_from(name.as_slice()).map_err(|_| StoreError::Damaged {
                    path: path.to_path_buf(),
                    doing: LISTING,
                    reason: format!("the CID in row {id} of the block table is malformed"),
                })?;
                page.push((id, cid, size.unsigned_abs()));
            }
            Ok(page)
        })
    }

    /// Where the block with this CID belongs, below the home, if it is a file.
    #[must_use]
    pub fn block_path(home: &Path, cid: &Cid) -> PathBuf {
        crate::blocks::BlockFiles::new(home).path(cid)
    }
}

/// Removes copies that a crash left.
fn remove_left(folder: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).at(folder, COPYING)? {
        let entry = entry.at(folder, COPYING)?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            crate::blocks::remove(&entry.path())?;
        }
    }
    Ok(())
}

/// An empty file for its owner alone.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
