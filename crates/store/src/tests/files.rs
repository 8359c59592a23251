//! What the files are set up to be. Without these: a power cut could lose what was acknowledged, or another program
//! could not tell whose files they are.

use super::fixture::{keys_of, put, receipt};
use crate::Store;
use crate::conn::{self, Access, Durability};
use rusqlite::Connection;
use std::path::Path;

fn pragma(conn: &Connection, name: &str) -> String {
    conn.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
        .map(|value| match value {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            other => format!("{other:?}"),
        })
        .unwrap()
}

#[test]
fn files_are_set_up_as_documented() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    put(&store, receipt(1, 1, 1));
    store.warm_up().unwrap();
    let check = |path: &Path, durability, application: i64, layout: &str, synchronous: &str| {
        let conn = conn::open(path, Access::Write).unwrap();
        conn::set_up_writer(&conn, path, durability).unwrap();
        assert_eq!(pragma(&conn, "journal_mode"), r#"Text("wal")"#);
        assert_eq!(pragma(&conn, "page_size"), "4096");
        assert_eq!(pragma(&conn, "synchronous"), synchronous);
        assert_eq!(pragma(&conn, "foreign_keys"), "1");
        assert_eq!(pragma(&conn, "application_id"), application.to_string());
        assert_eq!(pragma(&conn, "user_version"), layout);
    };
    const FULL: &str = "2";
    const NORMAL: &str = "1";
    check(
        store.main.path(),
        Durability::EveryCommit,
        0x4950_564d,
        "5",
        FULL,
    );
    check(
        store.index.path(),
        Durability::Order,
        0x4950_5669,
        "1",
        NORMAL,
    );
}

/// Readers of the handle that writes must not write by accident either.
#[test]
fn readers_cannot_write() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    for access in [Access::Read, Access::ReadOnly] {
        let conn = conn::open(store.main.path(), access).unwrap();
        assert!(conn.execute("DELETE FROM meta", []).is_err(), "{access:?}");
    }
}
