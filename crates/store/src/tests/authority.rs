//! Rights and principals. Without these: a revocation could be lost or changed without a word, or a name could lead to
//! somebody else.

use super::fixture::{keys_of, receipt};
use super::graph::Text;
use crate::{Batch, Former, GcOptions, Keep, Name, NewToken, Role, Store};
use ipvm_ipld::{Block, Cid, codec};
use rusqlite::Connection;
use std::path::Path;

fn token(text: &str) -> Block {
    Block::new(codec::DAG_CBOR, text.as_bytes().to_vec())
}

fn name(name: &str, did: &str) -> Name {
    Name {
        name: name.to_owned(),
        did: did.to_owned(),
        since: 7,
    }
}

fn former(did: &str, successor: &str) -> Former {
    Former {
        did: did.to_owned(),
        role: Role::Agent,
        successor: successor.to_owned(),
        since: 7,
    }
}

fn commit(store: &Store, fill: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::new();
    fill(&mut batch);
    store.commit(batch).unwrap();
}

fn filled(home: &Path) -> Store {
    let store = Store::open(home, keys_of).unwrap();
    commit(&store, |batch| {
        for text in ["one", "two", "two", "three"] {
            batch.token(NewToken {
                block: token(text),
                since: 5,
            });
        }
        batch
            .name(name("bob", "did:key:b"))
            .name(name("al", "did:key:a"));
        batch.former(former("did:key:old", "did:key:new"));
    });
    store
}

#[test]
fn what_is_stored_is_there_again_in_order() {
    let home = tempfile::tempdir().unwrap();
    let store = filled(home.path());
    commit(&store, |batch| {
        batch.forget_token(*token("two").cid());
        batch
            .name(name("bob", "did:key:other"))
            .unname("al".to_owned());
    });
    drop(store);
    let store = Store::open_read_only(home.path(), keys_of).unwrap();
    let texts = |after, limit| -> Vec<String> {
        let page = store.tokens(after, limit).unwrap();
        let text = |block: &[u8]| String::from_utf8_lossy(block).into_owned();
        page.iter().map(|token| text(&token.block)).collect()
    };
    assert_eq!(texts(0, 9), ["one", "three"]);
    assert_eq!(texts(0, 1), ["one"]);
    assert_eq!(texts(1, 9), ["three"]);
    let one = token("one");
    assert_eq!(store.token(one.cid()).unwrap().unwrap().cid, *one.cid());
    assert!(store.token(token("two").cid()).unwrap().is_none());
    assert_eq!(store.names().unwrap(), [name("bob", "did:key:other")]);
    assert_eq!(
        store.former().unwrap(),
        [former("did:key:old", "did:key:new")]
    );
}

/// A changed row is never believed, and `verify` names it.
#[test]
fn a_changed_row_is_named_and_not_used() {
    for (sql, says) in [
        (
            "UPDATE token SET block = x'00' WHERE id = 1",
            "row 1 of the token table",
        ),
        (
            "UPDATE token SET cid = x'00' WHERE id = 2",
            "row 2 of the token table",
        ),
        (
            "UPDATE name SET did = 'did:key:e' WHERE name = 'bob'",
            "bob",
        ),
        ("UPDATE name SET name = 'bab' WHERE name = 'bob'", "bab"),
        ("UPDATE former SET successor = 'did:key:e'", "did:key:old"),
        ("UPDATE former SET role = 0", "did:key:old"),
        ("INSERT INTO accepted VALUES(x'00', 1)", "accepted"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let store = filled(home.path());
        let conn = Connection::open(home.path().join("store/main.db")).unwrap();
        assert!(conn.execute(sql, []).unwrap() > 0, "{sql}");
        let mut found = Vec::new();
        let summary = store
            .verify(&mut |event| {
                if let crate::VerifyEvent::Finding(finding) = event {
                    found.push(finding.to_string());
                }
            })
            .unwrap();
        assert_eq!(summary.damage, 1, "{sql}: {found:?}");
        assert!(found[0].contains(says), "{sql}: {found:?}");
        let readings = [
            store.tokens(0, 9).map(drop),
            store.names().map(drop),
            store.former().map(drop),
        ];
        let refused = readings.iter().filter(|reading| reading.is_err()).count();
        let expect = usize::from(!sql.contains("accepted"));
        assert_eq!(refused, expect, "{sql}");
    }
}

/// Nothing here can make the receipt of another again: a collection must not take it.
#[test]
fn an_accepted_receipt_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path(), keys_of).unwrap();
    let (kept, dropped) = (receipt(1, 1, 1), receipt(2, 2, 2));
    let cids: [Cid; 2] = [*kept.block.cid(), *dropped.block.cid()];
    commit(&store, |batch| {
        batch.receipt(kept);
        batch.receipt(dropped);
        batch.accept(cids[0], 3);
    });
    assert!(store.is_accepted(&cids[0]).unwrap());
    assert!(!store.is_accepted(&cids[1]).unwrap());
    let options = GcOptions {
        keep: Keep::Runs(0),
        dry_run: false,
        now: 9,
    };
    let report = store.gc(&options, &Text, &mut |_, _| ()).unwrap();
    assert_eq!((report.receipts, report.receipts_kept), (1, 1));
    assert!(store.receipt(&cids[0]).unwrap().is_some());
}
