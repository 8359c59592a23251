//! Connections to the two databases: how they are opened, and a small pool of readers.

use crate::error::{Context, StoreError};
use crate::limits::{BUSY_TIMEOUT, READERS_KEPT, STATEMENTS_KEPT};
use crate::schema::{self, Migration};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

const OPENING: &str = "opening the database";

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Write; the file is created if it is missing.
    Write,
    /// Read; may recover the WAL after a crash, which writes.
    Read,
    /// Read, by a handle without the home's lock: never writes.
    ReadOnly,
}

/// How much a commit waits for the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Durability {
    /// Every commit is on the disk before it returns.
    EveryCommit,
    /// Order is kept, but the last commits may be lost with the power.
    Order,
}

/// Takes a lock whose holder may have panicked: what the locks of this crate guard is valid at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a connection for `access`.
pub(crate) fn open(path: &Path, access: Access) -> Result<Connection, StoreError> {
    let flags = match access {
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Access::Read => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Access::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .at(path, OPENING)?;
    conn.busy_timeout(BUSY_TIMEOUT).at(path, OPENING)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // The WAL file stays when the last connection closes: its space is allocated, and closing takes no time.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .at(path, OPENING)?;
    if access == Access::Read {
        conn.execute_batch("PRAGMA query_only=ON")
            .at(path, OPENING)?;
    }
    Ok(conn)
}

/// Sets up a connection opened with [`Access::Write`] for committing.
pub(crate) fn set_up_writer(
    conn: &Connection,
    path: &Path,
    durability: Durability,
) -> Result<(), StoreError> {
    let sync = match durability {
        Durability::EveryCommit => "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;",
        Durability::Order => "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=1000;",
    };
    conn.execute_batch("PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192;")
        .and_then(|()| conn.execute_batch(sync))
        .at(path, OPENING)
}

/// Whether the commits of a connection set up with [`Durability::Order`] wait for the disk nevertheless.
pub(crate) fn wait_for_disk(conn: &Connection, wait: bool) -> rusqlite::Result<()> {
    conn.execute_batch(if wait {
        "PRAGMA synchronous=FULL"
    } else {
        "PRAGMA synchronous=NORMAL"
    })
}

/// Readers of one database. Each use takes a connection of its own, so that readers never wait for each other.
pub(crate) struct Pool {
    path: PathBuf,
    access: Access,
    /// See [`MainMeta::stand_in`](crate::schema::MainMeta::stand_in).
    stand_in: &'static [Migration],
    idle: Mutex<Vec<Connection>>,
    /// Counts [`Pool::clear`]: a connection from before it is not put back.
    epoch: AtomicU64,
}

impl Pool {
    pub(crate) fn new(path: PathBuf, access: Access) -> Self {
        Self {
            path,
            access,
            stand_in: &[],
            idle: Mutex::default(),
            epoch: AtomicU64::new(0),
        }
    }

    /// The same, whose connections are prepared for an old layout.
    pub(crate) fn with_stand_in(self, stand_in: &'static [Migration]) -> Self {
        Self { stand_in, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts an opened connection into the pool.
    pub(crate) fn donate(&self, conn: Connection) {
        let mut idle = lock(&self.idle);
        if idle.len() < READERS_KEPT {
            idle.push(conn);
        }
    }

    /// Runs `read` with a connection. A connection that failed is not used again.
    pub(crate) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let idle = lock(&self.idle).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => {
                let conn = open(&self.path, self.access)?;
                schema::prepare_reader(&conn, self.stand_in).at(&self.path, OPENING)?;
                conn
            }
        };
        let value = read(&conn)?;
        if epoch == self.epoch.load(Ordering::Acquire) {
            self.donate(conn);
        }
        Ok(value)
    }

    /// Closes the connections: the file is about to be replaced.
    pub(crate) fn clear(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        lock(&self.idle).clear();
    }
}
