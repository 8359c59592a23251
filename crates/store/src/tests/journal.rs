//! What is needed to do effects once. Without these: a note of a mutation could be lost or changed without a word, and
//! the mutation be done twice or never be asked about again.

use super::fixture::{keys_of, named, receipt, run};
use super::graph::Text;
use crate::{
    Batch, GcOptions, Intent, Keep, Recipe, RunId, RunStatus, RunUpdate, Setting, Store,
    StoreError, Value,
};
use rusqlite::Connection;
use std::path::Path;

fn commit(store: &Store, fill: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::new();
    fill(&mut batch);
    store.commit(batch).unwrap();
}

fn intent(task: u64, run: i64, doubt: Option<&str>) -> Intent {
    Intent {
        task: named(task),
        run: RunId(run),
        index: 3,
        since: 5,
        account: Some("mail".to_owned()),
        doubt: doubt.map(str::to_owned),
    }
}

fn value(key: &str, version: i64, bytes: &[u8]) -> Value {
    Value {
        subject: "did:key:a".to_owned(),
        key: key.to_owned(),
        version,
        value: bytes.to_vec(),
    }
}

fn filled(home: &Path) -> Store {
    let store = Store::open(home, keys_of).unwrap();
    commit(&store, |batch| {
        batch
            .intend(intent(1, 2, None))
            .intend(intent(2, 1, None))
            .put(value("b", 1, b"one"))
            .set(Setting {
                name: "mail".to_owned(),
                since: 5,
                value: b"sealed".to_vec(),
            });
    });
    store
}

#[test]
fn an_intent_stays_until_it_is_settled_and_goes_with_the_receipt() {
    let home = tempfile::tempdir().unwrap();
    let store = filled(home.path());
    commit(&store, |batch| {
        batch.intend(intent(2, 1, Some("no answer")));
    });
    drop(store);
    let store = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(store.intent(&named(1)).unwrap(), Some(intent(1, 2, None)));
    let doubted = intent(2, 1, Some("no answer"));
    assert_eq!(
        store.intents(9).unwrap(),
        [doubted, intent(1, 2, None)],
        "in the order of runs"
    );
    commit(&store, |batch| {
        batch.receipt(receipt(7, 1, 7));
        batch.settle(named(1));
    });
    assert_eq!(store.intent(&named(1)).unwrap(), None);
    assert_eq!(store.intents(9).unwrap().len(), 1);
}

#[test]
fn the_newest_run_of_a_recipe_is_found() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    for recipe in [8, 8, 9] {
        let id = store.new_run_id();
        commit(&store, |batch| {
            batch.run(run(id, 1)).recipe(Recipe {
                run: id,
                cid: named(recipe),
            });
        });
    }
    assert_eq!(store.latest_of_recipe(&named(8)).unwrap(), Some(RunId(2)));
    assert_eq!(store.latest_of_recipe(&named(7)).unwrap(), None);
}

#[test]
fn values_and_settings_are_replaced_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let store = filled(home.path());
    commit(&store, |batch| {
        batch.put(value("b", 2, b"two")).put(value("a%", 1, b""));
        batch.put(value("a_", 1, b""));
        batch.unset("mail".to_owned());
    });
    assert_eq!(
        store.value("did:key:a", "b").unwrap(),
        Some(value("b", 2, b"two"))
    );
    assert_eq!(store.value("did:key:b", "b").unwrap(), None);
    let keys = |prefix, after| store.value_keys("did:key:a", prefix, after, 9).unwrap();
    assert_eq!(keys("", ""), ["a%", "a_", "b"]);
    assert_eq!(keys("a%", ""), ["a%"], "a prefix is no pattern");
    assert_eq!(keys("", "a%"), ["a_", "b"]);
    commit(&store, |batch| {
        batch.remove("did:key:a".to_owned(), "b".to_owned());
    });
    assert_eq!(store.value("did:key:a", "b").unwrap(), None);
    assert_eq!(store.settings().unwrap(), []);
}

/// Without this, whoever saw a value before it was removed could take another one for it.
#[test]
fn a_version_never_comes_back() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let last = |store: &Store| store.last_version("did:key:a").unwrap();
    assert_eq!(last(&store), 0);
    commit(&store, |batch| {
        batch.put(value("b", 1, b"x")).put(value("c", 2, b"x"));
    });
    commit(&store, |batch| {
        batch.remove("did:key:a".to_owned(), "c".to_owned());
        batch.remove("did:key:a".to_owned(), "b".to_owned());
    });
    assert_eq!(last(&store), 2);
    assert_eq!(store.value_keys("did:key:a", "", "", 9).unwrap(), [""; 0]);
    drop(store);
    let store = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(last(&store), 2);
    assert_eq!(store.last_version("did:key:b").unwrap(), 0);
    assert_eq!(store.verify(&mut |_| ()).unwrap().damage, 0);
}

/// A home of an earlier build has values and no count.
#[test]
fn versions_are_counted_from_those_that_there_are() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    commit(&store, |batch| {
        batch.put(value("b", 7, b"x")).put(value("c", 2, b"x"));
    });
    drop(store);
    let conn = Connection::open(home.path().join("store").join("main.db")).unwrap();
    assert_eq!(
        conn.execute("DELETE FROM kv WHERE key = ''", []).unwrap(),
        1
    );
    drop(conn);
    let store = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(store.last_version("did:key:a").unwrap(), 7);
    commit(&store, |batch| {
        batch.remove("did:key:a".to_owned(), "b".to_owned());
    });
    assert_eq!(store.last_version("did:key:a").unwrap(), 7);
}

#[test]
fn a_changed_row_is_an_error_and_never_an_answer() {
    let changes = [
        "UPDATE intent SET run = 7 WHERE idx = 3",
        "UPDATE intent SET doubt = 'x'",
        "UPDATE intent SET account = 'x'",
        "UPDATE kv SET value = x'00'",
        "UPDATE kv SET version = 9",
        "UPDATE setting SET value = x'00'",
    ];
    for sql in changes {
        let home = tempfile::tempdir().unwrap();
        let store = filled(home.path());
        drop(store);
        let conn = Connection::open(home.path().join("store").join("main.db")).unwrap();
        assert!(conn.execute(sql, []).unwrap() > 0, "{sql}");
        drop(conn);
        let store = Store::open(home.path(), keys_of).unwrap();
        let reads = [
            store.intents(9).map(drop),
            store.value("did:key:a", "b").map(drop),
            store.settings().map(drop),
        ];
        let damaged = reads
            .iter()
            .filter(|read| matches!(read, Err(StoreError::Damaged { .. })));
        assert_eq!(damaged.count(), 1, "{sql}");
        assert!(store.verify(&mut |_| ()).unwrap().damage > 0, "{sql}");
    }
}

/// Without this a collection would take away what a doubt is about, or what a value leads to.
#[test]
fn a_collection_keeps_runs_in_doubt_and_what_values_link_to() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path(), keys_of).unwrap();
    let content = ipvm_ipld::Block::new(ipvm_ipld::codec::RAW, b"kept".to_vec());
    let link = ipvm_ipld::Ipld::Link(*content.cid());
    let ids: Vec<RunId> = (0..5).map(|_| store.new_run_id()).collect();
    commit(&store, |batch| {
        batch.block(content.clone());
        batch.put(value("a", 1, &ipvm_ipld::cbor::encode(&link).unwrap()));
        for (n, id) in ids.iter().enumerate() {
            batch.run(run(*id, n as u64)).recipe(Recipe {
                run: *id,
                // The last two are of one.
                cid: named(n.min(2) as u64),
            });
        }
        batch.intend(intent(1, ids[0].0, None));
        let statuses = [
            RunStatus::Error,
            RunStatus::InDoubt,
            RunStatus::Ok,
            RunStatus::Ok,
            RunStatus::Ok,
        ];
        for (id, status) in ids.iter().zip(statuses) {
            batch.run_update(RunUpdate {
                id: *id,
                status,
                finished: Some(5),
            });
        }
    });
    let options = GcOptions {
        keep: Keep::Runs(1),
        dry_run: false,
        now: 9,
    };
    store.gc(&options, &Text, &mut |_, _| ()).unwrap();
    let left = store.runs(&crate::RunFilter::All, None, 9).unwrap();
    let left: Vec<RunId> = left.iter().map(|run| run.id).collect();
    assert_eq!(left, [ids[4], ids[1], ids[0]]);
    assert!(store.has(content.cid()).unwrap());
    let recipes = |home: &Path| -> i64 {
        let conn = Connection::open(home.join("store").join("main.db")).unwrap();
        let sql = "SELECT count(*) FROM recipe WHERE cid = ?1";
        conn.query_row(sql, [named(2).to_bytes()], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(recipes(home.path()), 1, "the newest alone");
    let all = GcOptions {
        keep: Keep::Runs(0),
        ..options
    };
    store.gc(&all, &Text, &mut |_, _| ()).unwrap();
    assert_eq!(store.run(ids[4]).unwrap(), None);
    let known = store.latest_of_recipe(&named(2)).unwrap();
    assert_eq!(known, Some(ids[4]), "that there was one is not forgotten");
}
