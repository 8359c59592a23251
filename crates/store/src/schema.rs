//! The tables of `main.db` and `index.db`, and how a file is recognised.

use crate::conn::Access;
use crate::error::{Context, StoreError};
use crate::key::SALT_BYTES;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;

/// Marks `main.db` in its header: "IPVM".
const MAIN_APPLICATION: i64 = 0x4950_564d;
/// Marks `index.db` in its header: "IPVi".
const INDEX_APPLICATION: i64 = 0x4950_5669;
/// Layout number of `main.db` that this program writes, and the newest that it reads.
const MAIN_LAYOUT: i64 = 1;
/// Layout number of `index.db`; any other is rebuilt.
const INDEX_LAYOUT: i64 = 1;
/// Bytes of the random id that binds the two files to each other.
pub(crate) const PAIR_BYTES: usize = 16;

const CREATING: &str = "creating the tables";
const RECOGNISING: &str = "reading the header";

/// `receipt` is only appended to. Its keys have no index here: indexes on random keys inside the commit cost more
/// than the receipts themselves, so they live in `index.db`. A block without `data` is a file. A step without a
/// row is pending.
const MAIN_TABLES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE receipt(id INTEGER PRIMARY KEY, k_cid INTEGER NOT NULL, k_task INTEGER NOT NULL, k_comp INTEGER,
    block BLOB NOT NULL) STRICT;
CREATE TABLE block(id INTEGER PRIMARY KEY, k_cid INTEGER NOT NULL, cid BLOB NOT NULL, size INTEGER NOT NULL,
    data BLOB) STRICT;
CREATE INDEX block_key ON block(k_cid);
CREATE INDEX block_file ON block(size) WHERE data IS NULL;
CREATE TABLE run(id INTEGER PRIMARY KEY, workflow BLOB NOT NULL, name TEXT, source TEXT, invocation BLOB,
    started INTEGER NOT NULL, finished INTEGER, status INTEGER NOT NULL, tasks INTEGER NOT NULL) STRICT;
CREATE INDEX run_workflow ON run(workflow);
CREATE INDEX run_name ON run(name) WHERE name IS NOT NULL;
CREATE INDEX run_source ON run(source) WHERE source IS NOT NULL;
CREATE TABLE step(run INTEGER NOT NULL REFERENCES run(id), idx INTEGER NOT NULL, state INTEGER NOT NULL,
    receipt INTEGER, PRIMARY KEY(run, idx)) STRICT, WITHOUT ROWID;
";

/// `watermark` is the newest receipt that the tables cover, `mark_key` that receipt's `k_cid`.
const INDEX_TABLES: &str = "
CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK(one = 1), pair BLOB NOT NULL, watermark INTEGER NOT NULL,
    mark_key INTEGER NOT NULL) STRICT;
CREATE TABLE by_cid(key INTEGER, id INTEGER, PRIMARY KEY(key, id)) STRICT, WITHOUT ROWID;
CREATE TABLE by_task(key INTEGER, id INTEGER, PRIMARY KEY(key, id)) STRICT, WITHOUT ROWID;
CREATE TABLE by_comp(key INTEGER, id INTEGER, PRIMARY KEY(key, id)) STRICT, WITHOUT ROWID;
";

/// What opening `main.db` reads from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MainMeta {
    pub(crate) pair: [u8; PAIR_BYTES],
    pub(crate) salt: [u8; SALT_BYTES],
    /// Newest row of `receipt`, 0 if there is none.
    pub(crate) last_receipt: i64,
    /// Newest row of `run`, 0 if there is none.
    pub(crate) last_run: i64,
}

/// How far an index goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Newest receipt covered, 0 if there is none.
    pub(crate) id: i64,
    /// Its `k_cid`.
    pub(crate) key: i64,
}

/// Recognises `main.db`, creating its tables in a new file, and reads its fixed values.
pub(crate) fn open_main(
    conn: &Connection,
    path: &Path,
    access: Access,
) -> Result<MainMeta, StoreError> {
    let not_ours = |reason: String| StoreError::NotAStore {
        path: path.to_path_buf(),
        reason,
    };
    match header(conn, path)? {
        (0, 0) if is_empty(conn, path)? => match access {
            Access::Write | Access::Read => create_main(conn, path)?,
            Access::ReadOnly => return Err(not_ours("it is empty".into())),
        },
        (MAIN_APPLICATION, MAIN_LAYOUT) => {}
        (MAIN_APPLICATION, found) if found > MAIN_LAYOUT => {
            return Err(StoreError::NewerLayout {
                path: path.to_path_buf(),
                found,
                known: MAIN_LAYOUT,
            });
        }
        (application, layout) => {
            return Err(not_ours(format!(
                "its header says application {application:#x}, layout {layout}"
            )));
        }
    }
    let sql = "SELECT (SELECT value FROM meta WHERE key = 'pair'), (SELECT value FROM meta WHERE key = 'salt'),
        (SELECT max(id) FROM receipt), (SELECT max(id) FROM run)";
    conn.query_row(sql, [], |row| {
        Ok(MainMeta {
            pair: row.get(0)?,
            salt: row.get(1)?,
            last_receipt: row.get::<_, Option<i64>>(2)?.unwrap_or(0),
            last_run: row.get::<_, Option<i64>>(3)?.unwrap_or(0),
        })
    })
    .map_err(|error| match error.sqlite_error_code() {
        None => not_ours("its meta table is incomplete".into()),
        Some(_) => StoreError::sqlite(path, "reading the meta table", &error),
    })
}

/// Application id and layout number of a database.
fn header(conn: &Connection, path: &Path) -> Result<(i64, i64), StoreError> {
    let number = |pragma| {
        conn.pragma_query_value(None, pragma, |row| row.get(0))
            .at(path, RECOGNISING)
    };
    Ok((number("application_id")?, number("user_version")?))
}

fn is_empty(conn: &Connection, path: &Path) -> Result<bool, StoreError> {
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
        row.get::<_, i64>(0)
    })
    .map(|tables| tables == 0)
    .at(path, RECOGNISING)
}

/// Makes the tables of a new `main.db`. A crash in between leaves an empty file, which the next opening fills.
fn create_main(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let mut random = [0_u8; PAIR_BYTES + SALT_BYTES];
    draw(&mut random, path)?;
    let (pair, salt) = random.split_at(PAIR_BYTES);
    create(
        conn,
        path,
        MAIN_TABLES,
        MAIN_APPLICATION,
        MAIN_LAYOUT,
        |conn| {
            let mut insert = conn.prepare("INSERT INTO meta(key, value) VALUES(?1, ?2)")?;
            insert.execute(params!["pair", pair])?;
            insert.execute(params!["salt", salt])
        },
    )
}

/// Makes the tables of a new `index.db`, which covers nothing yet.
pub(crate) fn create_index(
    conn: &Connection,
    path: &Path,
    pair: &[u8; PAIR_BYTES],
) -> Result<(), StoreError> {
    create(
        conn,
        path,
        INDEX_TABLES,
        INDEX_APPLICATION,
        INDEX_LAYOUT,
        |conn| {
            conn.execute(
                "INSERT INTO meta(one, pair, watermark, mark_key) VALUES(1, ?1, 0, 0)",
                [pair],
            )
        },
    )
}

fn create(
    conn: &Connection,
    path: &Path,
    tables: &str,
    application: i64,
    layout: i64,
    fill: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
) -> Result<(), StoreError> {
    let work = || {
        conn.execute_batch("PRAGMA query_only=OFF; PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")?;
        failpoint!("create.wal");
        let transaction = conn.unchecked_transaction()?;
        transaction.execute_batch(tables)?;
        fill(&transaction)?;
        transaction.pragma_update(None, "application_id", application)?;
        transaction.pragma_update(None, "user_version", layout)?;
        failpoint!("create.filled");
        transaction.commit()
    };
    work().at(path, CREATING)
}

/// How far an index goes; `None` if it is not the index of the store with this `pair`.
pub(crate) fn index_mark(
    conn: &Connection,
    path: &Path,
    pair: &[u8; PAIR_BYTES],
) -> Result<Option<Mark>, StoreError> {
    if header(conn, path)? != (INDEX_APPLICATION, INDEX_LAYOUT) {
        return Ok(None);
    }
    conn.query_row(
        "SELECT watermark, mark_key FROM meta WHERE pair = ?1",
        [pair],
        |row| {
            Ok(Mark {
                id: row.get(0)?,
                key: row.get(1)?,
            })
        },
    )
    .optional()
    .at(path, "reading the watermark")
}

/// Random bytes from the operating system.
fn draw(bytes: &mut [u8], path: &Path) -> Result<(), StoreError> {
    getrandom::fill(bytes).map_err(|error| StoreError::Io {
        path: path.to_path_buf(),
        doing: "drawing random numbers",
        reason: error.to_string(),
    })
}
