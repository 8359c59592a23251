//! Returning unused pages of `main.db` to the system.
//!
//! A file made by this program gives pages back one by one (`auto_vacuum=INCREMENTAL`, which costs commits about 2 % more
//! bytes). One of layout 1 has to be written anew for that, once, when a quarter of it is unused: that takes three times
//! its size while it lasts.

use crate::error::{Context, StoreError};
use crate::limits::{BUSY_TIMEOUT, SHRINK_PAGES, VACUUM_PAGES_MIN, VACUUM_SHARE, WAL_WAIT};
use crate::wal::{self, Mode};
use rusqlite::Connection;
use std::path::Path;

const SHRINKING: &str = "returning space to the system";
/// The value of `PRAGMA auto_vacuum` for files that can give pages back.
const INCREMENTAL: i64 = 2;

/// Makes the file as short as it can be. A disk without the room that writing it anew takes is no error: the pages are
/// used by what is stored next.
pub(crate) fn shrink(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |pragma| pragma_number(conn, pragma).at(path, SHRINKING);
    let unused = number("freelist_count")?;
    if number("auto_vacuum")? == INCREMENTAL {
        give_back(conn, path, unused)?;
    } else if unused >= VACUUM_PAGES_MIN && unused >= number("page_count")? / VACUUM_SHARE {
        let anew = conn
            .execute_batch("PRAGMA auto_vacuum=INCREMENTAL; VACUUM;")
            .at(path, SHRINKING);
        match anew {
            Ok(()) | Err(StoreError::DiskFull { .. } | StoreError::Busy { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    empty_wal(conn, path)
}

/// Copies all of the WAL and cuts it to nothing. Readers of other processes may be in the way; then it is done later.
pub(crate) fn empty_wal(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    conn.busy_timeout(WAL_WAIT).at(path, SHRINKING)?;
    let _ = wal::checkpoint(conn, path, Mode::Truncate);
    conn.busy_timeout(BUSY_TIMEOUT).at(path, SHRINKING)
}

fn give_back(conn: &Connection, path: &Path, unused: i64) -> Result<(), StoreError> {
    let mut left = unused;
    while left > 0 {
        let step = || -> rusqlite::Result<()> {
            let sql = format!("PRAGMA incremental_vacuum({SHRINK_PAGES})");
            let mut pages = conn.prepare(&sql)?;
            let mut rows = pages.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        };
        step().at(path, SHRINKING)?;
        let _ = wal::checkpoint(conn, path, Mode::Passive);
        let now = pragma_number(conn, "freelist_count").at(path, SHRINKING)?;
        if now >= left {
            break;
        }
        left = now;
    }
    Ok(())
}

/// Bytes of the pages of a database that are in use.
pub(crate) fn bytes_in_use(conn: &Connection, path: &Path) -> Result<u64, StoreError> {
    let number = |pragma| pragma_number(conn, pragma).at(path, "measuring the store");
    let pages = number("page_count")? - number("freelist_count")?;
    Ok(pages.unsigned_abs() * number("page_size")?.unsigned_abs())
}

fn pragma_number(conn: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, pragma, |row| row.get(0))
}
