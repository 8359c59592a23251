//! Pins: roots that somebody chose, beside the runs.

use crate::Store;
use crate::error::{Context, StoreError};
use crate::limits::PAGE_ROWS_MAX;
use crate::types::{Pin, PinChange, PinKind};
use ipvm_ipld::Cid;
use rusqlite::{Connection, OptionalExtension, Row, params};

const READING: &str = "reading the pins";

/// Carries out changes in an open transaction.
pub(crate) fn change(conn: &Connection, changes: &[PinChange]) -> rusqlite::Result<()> {
    for change in changes {
        match change {
            PinChange::Pin(pin) => {
                let sql =
                    "INSERT INTO pin(cid, kind, since) VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE
                    SET kind = excluded.kind, since = excluded.since WHERE excluded.kind > kind";
                let values = params![pin.cid.to_bytes(), pin.kind.code(), pin.since];
                conn.prepare_cached(sql)?.execute(values)?;
            }
            PinChange::Unpin(cid) => {
                conn.prepare_cached("DELETE FROM pin WHERE cid = ?1")?
                    .execute([cid.to_bytes()])?;
            }
        }
    }
    Ok(())
}

impl Store {
    /// The pin of a CID, if it has one.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or what the system said.
    pub fn pin_of(&self, cid: &Cid) -> Result<Option<Pin>, StoreError> {
        let path = self.main.path();
        self.main.with(|conn| {
            let sql = "SELECT cid, kind, since FROM pin WHERE cid = ?1";
            let found = conn
                .prepare_cached(sql)
                .and_then(|mut select| select.query_row([cid.to_bytes()], pin).optional());
            Ok(found.at(path, READING)?.flatten())
        })
    }

    /// The pins, newest first: at most `limit`, and at most [`PAGE_ROWS_MAX`](crate::PAGE_ROWS_MAX). `before` goes on
    /// after the last of an earlier page. A row that cannot be understood is passed over; `verify` names it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or what the system said.
    pub fn pins(&self, before: Option<&Pin>, limit: usize) -> Result<Vec<Pin>, StoreError> {
        let path = self.main.path();
        let (since, cid) = match before {
            Some(pin) => (pin.since, pin.cid.to_bytes()),
            None => (i64::MAX, vec![u8::MAX]),
        };
        let sql = "SELECT cid, kind, since FROM pin WHERE (since, cid) < (?1, ?2) ORDER BY since DESC, cid DESC LIMIT ?3";
        self.main.with(|conn| {
            let read = || {
                let mut select = conn.prepare_cached(sql)?;
                let values = params![since, cid, limit.min(PAGE_ROWS_MAX) as i64];
                let rows = select.query_map(values, pin)?;
                rows.filter_map(Result::transpose)
                    .collect::<rusqlite::Result<Vec<Pin>>>()
            };
            read().at(path, READING)
        })
    }
}

/// The pin in a row of `cid, kind, since`.
fn pin(row: &Row<'_>) -> rusqlite::Result<Option<Pin>> {
    let cid = Cid::try_from(row.get_ref(0)?.as_blob()?).ok();
    let kind = PinKind::from_code(row.get(1)?);
    let since = row.get(2)?;
    Ok(cid.zip(kind).map(|(cid, kind)| Pin { cid, kind, since }))
}
