//! The tables of `main.db` and `index.db`, how a file is recognised, and how an older one becomes a newer one.
//!
//! A new `main.db` is made as the first layout and led through every migration, so that there is one way to each layout.

use crate::conn::Access;
use crate::error::{Context, StoreError};
use crate::key::SALT_BYTES;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;

/// Marks `main.db` in its header: "IPVM".
const MAIN_APPLICATION: i64 = 0x4950_564d;
/// Marks `index.db` in its header: "IPVi".
const INDEX_APPLICATION: i64 = 0x4950_5669;
/// The first layout number of `main.db`.
const FIRST_LAYOUT: i64 = 1;
/// Layout number of `main.db` that this program writes, and the newest that it reads.
pub(crate) const MAIN_LAYOUT: i64 = FIRST_LAYOUT + MIGRATIONS.len() as i64;
/// Layout number of `index.db`; any other is rebuilt.
const INDEX_LAYOUT: i64 = 1;
/// Bytes of the random id that binds the two files to each other.
pub(crate) const PAIR_BYTES: usize = 16;

const CREATING: &str = "creating the tables";
const RECOGNISING: &str = "reading the header";
const MIGRATING: &str = "bringing it to the newest layout";

/// A step from one layout of `main.db` to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    /// What makes the next layout of it, in one transaction.
    sql: &'static str,
    /// Empty tables in the place of those that it adds: with them a reader reads the layout before it.
    stand_in: &'static str,
}

/// In order: the first leads from layout 1 to layout 2.
const MIGRATIONS: [Migration; 4] = [
    Migration {
        sql: LAYOUT_2,
        stand_in: LAYOUT_2_STAND_IN,
    },
    Migration {
        sql: LAYOUT_3,
        stand_in: LAYOUT_3_STAND_IN,
    },
    Migration {
        sql: LAYOUT_4,
        stand_in: "",
    },
    Migration {
        sql: LAYOUT_5,
        stand_in: LAYOUT_5_STAND_IN,
    },
];

/// Layout 1. `receipt` is only appended to. Its keys have no index here: indexes on random keys inside the commit cost more
/// than the receipts themselves, so they live in `index.db`. A block without `data` is a file. A step without a
/// row is pending.
const LAYOUT_1: &str = "
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

/// Layout 2: what is kept, and what was taken away.
///
/// `pin`: roots beside the runs. `dropped`: receipts that are deleted here and perhaps not yet in `index.db`.
/// `evicted`: blocks that can be made again and were given up for space. `fact`: see [`Fact`]. Content that was added
/// before there were pins may have no other root; the first collection pins it.
const LAYOUT_2: &str = "
CREATE TABLE pin(cid BLOB PRIMARY KEY, kind INTEGER NOT NULL, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE dropped(id INTEGER PRIMARY KEY, k_cid INTEGER NOT NULL, k_task INTEGER NOT NULL, k_comp INTEGER) STRICT;
CREATE TABLE evicted(id INTEGER PRIMARY KEY, k_cid INTEGER NOT NULL, cid BLOB NOT NULL) STRICT;
CREATE INDEX evicted_key ON evicted(k_cid);
CREATE TABLE fact(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO fact SELECT 'unpinned_through', max(id) FROM block HAVING max(id) IS NOT NULL;
";
const LAYOUT_2_STAND_IN: &str = "
CREATE TEMP TABLE pin(cid, kind, since);
CREATE TEMP TABLE dropped(id, k_cid, k_task, k_comp);
CREATE TEMP TABLE evicted(id, k_cid, cid);
CREATE TEMP TABLE fact(name, value);
";

/// Layout 3: authority.
///
/// `token`: delegations and revocations that this home knows. `accepted`: receipts of others that count here like its
/// own. `name`: what people call principals. `former`: keys that this home had before. Where a row has no CID of its
/// own, `sum` guards it.
const LAYOUT_3: &str = "
CREATE TABLE token(id INTEGER PRIMARY KEY, cid BLOB NOT NULL UNIQUE, since INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE TABLE accepted(receipt BLOB PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE name(name TEXT PRIMARY KEY, did TEXT NOT NULL, since INTEGER NOT NULL, sum BLOB NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE former(did TEXT PRIMARY KEY, role INTEGER NOT NULL, successor TEXT NOT NULL, since INTEGER NOT NULL,
    sum BLOB NOT NULL) STRICT, WITHOUT ROWID;
";
const LAYOUT_3_STAND_IN: &str = "
CREATE TEMP TABLE token(id, cid, since, block);
CREATE TEMP TABLE accepted(receipt, since);
CREATE TEMP TABLE name(name, did, since, sum);
CREATE TEMP TABLE former(did, role, successor, since, sum);
";

/// Layout 4: blocks and receipts may be sealed, in the same tables. The number alone is new: whoever does not know it
/// would take what is sealed for damaged, and collect what it needs.
const LAYOUT_4: &str = "";

/// Layout 5: effects.
///
/// `intent`: tasks that are about to be done, or of which it is not known whether they were. `recipe`: what a run was made
/// of. `kv`: values that subjects keep, and under the empty key the highest version that a subject's keys have had. `setting`: which account serves whom, sealed. `sum` guards a row.
const LAYOUT_5: &str = "
CREATE TABLE intent(task BLOB PRIMARY KEY, run INTEGER NOT NULL, idx INTEGER NOT NULL, since INTEGER NOT NULL,
    account TEXT, doubt TEXT, sum BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE recipe(run INTEGER PRIMARY KEY, cid BLOB NOT NULL) STRICT;
CREATE INDEX recipe_cid ON recipe(cid);
CREATE TABLE kv(subject TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, value BLOB NOT NULL,
    sum BLOB NOT NULL, PRIMARY KEY(subject, key)) STRICT, WITHOUT ROWID;
CREATE TABLE setting(name TEXT PRIMARY KEY, since INTEGER NOT NULL, value BLOB NOT NULL, sum BLOB NOT NULL)
    STRICT, WITHOUT ROWID;
";
const LAYOUT_5_STAND_IN: &str = "
CREATE TEMP TABLE intent(task, run, idx, since, account, doubt, sum);
CREATE TEMP TABLE recipe(run, cid);
CREATE TEMP TABLE kv(subject, key, version, value, sum);
CREATE TEMP TABLE setting(name, since, value, sum);
";

/// A number that belongs to the whole store, a row of `fact`. One that has no row is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// Newest receipt that there ever was, as of the last time that one was deleted.
    LastReceipt,
    /// Newest run that there ever was, likewise.
    LastRun,
    /// Receipts deleted so far.
    ReceiptsDropped,
    /// Numbers up to that of the newest block that no block has.
    BlockGaps,
    /// Newest block from before there were pins.
    UnpinnedThrough,
    /// Bytes that the home may grow to; 0 for no limit.
    LimitBytes,
    /// 1 once something sealed was stored.
    Sealed,
}

impl Fact {
    fn name(self) -> &'static str {
        match self {
            Self::LastReceipt => "last_receipt",
            Self::LastRun => "last_run",
            Self::ReceiptsDropped => "receipts_dropped",
            Self::BlockGaps => "block_gaps",
            Self::UnpinnedThrough => "unpinned_through",
            Self::LimitBytes => "limit_bytes",
            Self::Sealed => "sealed",
        }
    }

    /// Its value.
    pub(crate) fn get(self, conn: &Connection) -> rusqlite::Result<i64> {
        conn.prepare_cached("SELECT value FROM fact WHERE name = ?1")?
            .query_row([self.name()], |row| row.get(0))
            .optional()
            .map(Option::unwrap_or_default)
    }

    /// Replaces its value.
    pub(crate) fn set(self, conn: &Connection, value: i64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO fact(name, value) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
        conn.prepare_cached(sql)?
            .execute(params![self.name(), value])
            .map(drop)
    }

    /// Adds to its value.
    pub(crate) fn add(self, conn: &Connection, more: i64) -> rusqlite::Result<()> {
        self.set(conn, self.get(conn)?.saturating_add(more))
    }
}

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
    /// Newest receipt that there ever was, 0 if there was none.
    pub(crate) last_receipt: i64,
    /// Newest run that there ever was, 0 if there was none.
    pub(crate) last_run: i64,
    /// Whether something was ever evicted and is not forgotten.
    pub(crate) evicted: bool,
    /// The steps that the layout lacks: every connection has to stand in for their tables first.
    pub(crate) stand_in: &'static [Migration],
}

/// How far an index goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Newest receipt covered, 0 if there is none.
    pub(crate) id: i64,
    /// Its `k_cid`.
    pub(crate) key: i64,
}

/// Recognises `main.db` and reads its fixed values. For a handle that writes, makes the tables of a new file and brings
/// those of an older one to the newest layout; a reader reads older layouts as they are.
pub(crate) fn open_main(
    conn: &Connection,
    path: &Path,
    access: Access,
) -> Result<MainMeta, StoreError> {
    let writes = access != Access::ReadOnly;
    let mut stand_in: &[Migration] = &[];
    match header(conn, path)? {
        (0, 0) if is_empty(conn, path)? => {
            if !writes {
                return Err(not_ours(path, "it is empty"));
            }
            create_main(conn, path)?;
        }
        (MAIN_APPLICATION, MAIN_LAYOUT) => {}
        (MAIN_APPLICATION, found) if found > MAIN_LAYOUT => {
            return Err(StoreError::NewerLayout {
                path: path.to_path_buf(),
                found,
                known: MAIN_LAYOUT,
            });
        }
        (MAIN_APPLICATION, found) if found >= FIRST_LAYOUT => {
            let steps = missing(found);
            if writes {
                migrate(conn, path, found, steps)?;
            } else {
                stand_in = steps;
                prepare_reader(conn, stand_in).at(path, RECOGNISING)?;
            }
        }
        (application, layout) => {
            let reason = format!("its header says application {application:#x}, layout {layout}");
            return Err(not_ours(path, &reason));
        }
    }
    read_meta(conn, path, stand_in)
}

/// The steps from this layout to the newest.
fn missing(layout: i64) -> &'static [Migration] {
    let done = usize::try_from(layout - FIRST_LAYOUT).unwrap_or(0);
    MIGRATIONS.get(done..).unwrap_or_default()
}

/// Makes empty tables, seen by this connection only, for those that an old layout lacks.
pub(crate) fn prepare_reader(conn: &Connection, stand_in: &[Migration]) -> rusqlite::Result<()> {
    if stand_in.is_empty() {
        return Ok(());
    }
    conn.execute_batch("PRAGMA temp_store=MEMORY")?;
    let mut steps = stand_in.iter();
    steps.try_for_each(|step| conn.execute_batch(step.stand_in))
}

fn not_ours(path: &Path, reason: &str) -> StoreError {
    StoreError::NotAStore {
        path: path.to_path_buf(),
        reason: reason.to_owned(),
    }
}

fn read_meta(
    conn: &Connection,
    path: &Path,
    stand_in: &'static [Migration],
) -> Result<MainMeta, StoreError> {
    let sql = "SELECT (SELECT value FROM meta WHERE key = 'pair'), (SELECT value FROM meta WHERE key = 'salt'),
        (SELECT max(id) FROM receipt), (SELECT max(id) FROM run), EXISTS(SELECT 1 FROM evicted)";
    let meta = conn.query_row(sql, [], |row| {
        let newest = |column, fact: Fact| {
            let living: Option<i64> = row.get(column)?;
            Ok::<_, rusqlite::Error>(living.unwrap_or(0).max(fact.get(conn)?))
        };
        Ok(MainMeta {
            pair: row.get(0)?,
            salt: row.get(1)?,
            last_receipt: newest(2, Fact::LastReceipt)?,
            last_run: newest(3, Fact::LastRun)?,
            evicted: row.get(4)?,
            stand_in,
        })
    });
    meta.map_err(|error| match error.sqlite_error_code() {
        None => not_ours(path, "its meta table is incomplete"),
        Some(_) => StoreError::sqlite(path, "reading the meta table", &error),
    })
}

/// Leads a database from layout `from` through `steps`. Each is one transaction: a crash leaves the layout before it
/// or the one after it.
fn migrate(
    conn: &Connection,
    path: &Path,
    from: i64,
    steps: &[Migration],
) -> Result<(), StoreError> {
    let work = || {
        conn.execute_batch("PRAGMA query_only=OFF; PRAGMA synchronous=FULL;")?;
        for (layout, step) in (from + 1..).zip(steps) {
            let transaction = conn.unchecked_transaction()?;
            transaction.execute_batch(step.sql)?;
            transaction.pragma_update(None, "user_version", layout)?;
            transaction.commit()?;
        }
        conn.execute_batch("PRAGMA query_only=ON")
    };
    work().at(path, MIGRATING)
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
    // Pages that are given back can leave the file without writing it anew.
    let settings = "PRAGMA query_only=OFF; PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;";
    conn.execute_batch(settings).at(path, CREATING)?;
    let tables: Vec<&str> = [LAYOUT_1]
        .into_iter()
        .chain(MIGRATIONS.iter().map(|step| step.sql))
        .collect();
    create(
        conn,
        path,
        &tables.concat(),
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
