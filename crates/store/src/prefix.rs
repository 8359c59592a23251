//! Finding CIDs by their first characters, as a person writes them.

use crate::Store;
use crate::error::{Context, StoreError};
use crate::limits::{PREFIX_CHARS_MIN, PREFIX_FOUND_MAX, PREFIX_ROWS_MAX};
use crate::sealed::receipt_name;
use ipvm_ipld::{Cid, codec};
use rusqlite::Row;
use std::collections::BTreeSet;

const SEARCHING: &str = "looking for a CID by its first characters";

/// The CIDs of workflows and the invocations for them come with the runs.
const RUNS: &str =
    "SELECT workflow FROM run UNION SELECT invocation FROM run WHERE invocation IS NOT NULL";

impl Store {
    /// The CIDs that begin with `prefix`, sorted: of runs, and of the newest
    /// [`PREFIX_ROWS_MAX`](crate::PREFIX_ROWS_MAX) receipts and blocks. At most
    /// [`PREFIX_FOUND_MAX`](crate::PREFIX_FOUND_MAX); none for fewer than
    /// [`PREFIX_CHARS_MIN`](crate::PREFIX_CHARS_MIN) characters.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or what the system said. A damaged receipt or CID is passed over.
    pub fn find_by_prefix(&self, prefix: &str) -> Result<Vec<Cid>, StoreError> {
        let mut found = BTreeSet::new();
        if prefix.len() >= PREFIX_CHARS_MIN {
            let newest = |columns: &str, table: &str| {
                format!("SELECT {columns} FROM {table} ORDER BY id DESC LIMIT {PREFIX_ROWS_MAX}")
            };
            self.scan(prefix, RUNS, &named, &mut found)?;
            self.scan(prefix, &newest("block", "receipt"), &hashed, &mut found)?;
            self.scan(prefix, &newest("cid", "block"), &named, &mut found)?;
        }
        Ok(found.into_iter().collect())
    }

    fn scan(
        &self,
        prefix: &str,
        sql: &str,
        cid: &dyn Fn(&Row<'_>) -> rusqlite::Result<Option<Cid>>,
        found: &mut BTreeSet<Cid>,
    ) -> Result<(), StoreError> {
        let path = self.main.path();
        self.main.with(|conn| {
            let mut select = conn.prepare_cached(sql).at(path, SEARCHING)?;
            let mut rows = select.query([]).at(path, SEARCHING)?;
            while let Some(row) = rows.next().at(path, SEARCHING)? {
                let Some(cid) = cid(row).at(path, SEARCHING)? else {
                    continue;
                };
                if cid.to_string().starts_with(prefix) {
                    found.insert(cid);
                }
                if found.len() >= PREFIX_FOUND_MAX {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// The CID in a row of one CID.
fn named(row: &Row<'_>) -> rusqlite::Result<Option<Cid>> {
    Ok(Cid::try_from(row.get_ref(0)?.as_blob()?)
        .ok()
        .filter(is_open))
}

/// The CID of the receipt in a row of its bytes.
fn hashed(row: &Row<'_>) -> rusqlite::Result<Option<Cid>> {
    let cid = receipt_name(row.get_ref(0)?.as_blob()?);
    Ok(Some(cid).filter(is_open))
}

/// What is sealed is not listed.
fn is_open(cid: &Cid) -> bool {
    cid.codec() != codec::SEALED
}
