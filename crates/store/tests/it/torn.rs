//! Files that are torn, cut or replaced. Without these: SQLite passes over everything after a damaged byte of its WAL as
//! if it had never been stored, a cut file could make a panic, or a foreign index a wrong answer.

use crate::fixture::{keys_of, put, put_block, receipt_of, serials};
use ipvm_store::{INLINE_BYTES_MAX, Store, StoreError};
use std::fs;
use std::path::{Path, PathBuf};

/// Receipts in a home, each stored by a commit of its own.
const RECEIPTS: u64 = 24;

/// A small random sequence, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn fill(store: &Store, from: u64) {
    for n in from..RECEIPTS {
        put(store, receipt_of(n, 0, n, 3_000));
    }
}

fn path(home: &Path, name: &str) -> PathBuf {
    home.join("store").join(name)
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = ipvm_testkit::failpoint::folder();
    copy_into(from, to.path());
    to
}

fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_into(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A home that was closed, and the same as a crash leaves it.
fn homes() -> (tempfile::TempDir, tempfile::TempDir) {
    let home = ipvm_testkit::failpoint::folder();
    let store = Store::open(home.path(), keys_of).unwrap();
    fill(&store, 0);
    let crashed = copy(home.path());
    fs::remove_file(path(crashed.path(), "main.db-shm")).unwrap();
    drop(store);
    fs::remove_file(path(home.path(), "main.db-shm")).unwrap();
    (home, crashed)
}

/// Length of the WAL up to the end of its last frame: zeros follow.
fn wal_used(home: &Path) -> u64 {
    let bytes = fs::read(path(home, "main.db-wal")).unwrap();
    let used = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    assert!(used > 30 * 4_096, "the receipts are in the WAL: {used}");
    used as u64
}

fn flip(file: &Path, at: u64, with: u8) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at as usize] ^= with;
    fs::write(file, bytes).unwrap();
}

/// How many receipts there are, when they must be the first ones in order.
fn count_first(store: &Store) -> u64 {
    let found = store.stat().unwrap().receipts;
    (0..found).for_each(|n| assert_eq!(serials(store, n), [n]));
    found
}

#[test]
fn a_damaged_byte_in_the_wal_of_a_closed_store_is_named() {
    let (home, _) = homes();
    let mut random = Random(3);
    let used = wal_used(home.path());
    let mut named = 0;
    for turn in 0..150 {
        let damaged = copy(home.path());
        let wal = path(damaged.path(), "main.db-wal");
        // The header of the file, then anywhere.
        let at = if turn < 32 { turn } else { random.below(used) };
        flip(&wal, at, 1 + random.below(255) as u8);
        let reader = Store::open_read_only(damaged.path(), keys_of);
        match reader.and_then(|_| Store::open(damaged.path(), keys_of)) {
            Ok(store) => assert_eq!(count_first(&store), RECEIPTS, "at {at}"),
            Err(error @ StoreError::LogDamaged { .. }) => {
                named += 1;
                let text = error.to_string();
                assert!(text.contains("main.db-wal is damaged at byte"), "{text}");
                assert!(text.contains("move this file away"), "{text}");
                // What it says to do works, and keeps what comes before.
                fs::rename(&wal, damaged.path().join("damaged-wal")).unwrap();
                let store = Store::open(damaged.path(), keys_of).unwrap();
                let kept = count_first(&store);
                assert!(
                    kept < RECEIPTS && kept + 2 > at * RECEIPTS / used,
                    "{kept} at {at}"
                );
                fill(&store, kept);
                assert_eq!(count_first(&store), RECEIPTS);
            }
            Err(error) => panic!("at {at}: {error}"),
        }
    }
    assert!(named > 140, "{named} of 150");
}

/// A power cut leaves one transaction in part, which nobody was told of; what damage there leaves cannot be told from it.
#[test]
fn the_end_of_a_wal_that_a_crash_cut_is_no_damage() {
    let (_, crashed) = homes();
    let used = wal_used(crashed.path());
    let mut random = Random(5);
    let mut last = 0;
    for turn in 0..60 {
        let cut = copy(crashed.path());
        let at = used * (turn + 1) / 61 + random.below(24);
        let wal = fs::File::options()
            .write(true)
            .open(path(cut.path(), "main.db-wal"));
        wal.unwrap().set_len(at).unwrap();
        let store = Store::open(cut.path(), keys_of).unwrap();
        let kept = count_first(&store);
        assert!(
            kept >= last && kept < RECEIPTS,
            "{kept} after {last}, cut at {at}"
        );
        last = kept;
        fill(&store, kept);
        assert_eq!(count_first(&store), RECEIPTS);
    }
    assert!(last > RECEIPTS - 4, "{last}");
}

#[test]
fn damage_before_the_last_transaction_is_named_after_a_crash_too() {
    let (_, crashed) = homes();
    let used = wal_used(crashed.path());
    for turn in 0..30 {
        let damaged = copy(crashed.path());
        let at = used * turn / 40;
        flip(&path(damaged.path(), "main.db-wal"), at, 0x10);
        for opened in [
            Store::open_read_only(damaged.path(), keys_of),
            Store::open(damaged.path(), keys_of),
        ] {
            let error = opened
                .err()
                .unwrap_or_else(|| panic!("byte {at} of {used}"));
            assert!(matches!(error, StoreError::LogDamaged { .. }), "{error}");
        }
    }
}

/// A closed store whose WAL was cut has lost commits, which only the mark of the closing says.
#[test]
fn a_cut_wal_of_a_closed_store_is_named() {
    let (home, _) = homes();
    let used = wal_used(home.path());
    for turn in 1..20 {
        let cut = copy(home.path());
        let wal = fs::File::options()
            .write(true)
            .open(path(cut.path(), "main.db-wal"));
        wal.unwrap().set_len(used * turn / 20).unwrap();
        let error = Store::open(cut.path(), keys_of).err().unwrap();
        assert!(matches!(error, StoreError::LogDamaged { .. }), "{error}");
    }
}

/// Every way in which `main.db` can be cut or overwritten: an error that says so, or right answers.
#[test]
fn a_torn_database_gives_an_error_or_what_was_stored() {
    let home = ipvm_testkit::failpoint::folder();
    let store = Store::open(home.path(), keys_of).unwrap();
    (0..400).for_each(|n| put(&store, receipt_of(n, 0, n, 5_000)));
    drop(store);
    let length = fs::metadata(path(home.path(), "main.db")).unwrap().len();
    assert!(length > 1 << 20, "all of it is in main.db: {length}");
    assert_eq!(
        fs::metadata(path(home.path(), "main.db-wal"))
            .unwrap()
            .len(),
        0
    );
    let cut = |file: &Path, at: u64| {
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_len(at).unwrap();
    };
    let zero = |file: &Path, at: u64| {
        let mut bytes = fs::read(file).unwrap();
        let page = (at / 4_096 * 4_096) as usize;
        bytes[page..page + 4_096].fill(0);
        fs::write(file, bytes).unwrap();
    };
    let (mut random, mut errors) = (Random(7), 0);
    for turn in 0..60 {
        let torn = copy(home.path());
        let at = match turn {
            0..6 => turn / 2 * 4_096 + turn,
            _ => random.below(length),
        };
        let fault: &dyn Fn(&Path, u64) = if turn % 2 == 0 { &cut } else { &zero };
        fault(&path(torn.path(), "main.db"), at);
        let store = match Store::open(torn.path(), keys_of) {
            Ok(store) => store,
            Err(error) => {
                errors += 1;
                assert!(error.to_string().contains("main.db"), "{error}");
                continue;
            }
        };
        let mut damaged = false;
        for n in 0..400 {
            let expected = receipt_of(n, 0, n, 5_000);
            match store.receipt(expected.block.cid()) {
                Ok(Some(found)) => assert_eq!(found.block, expected.block.data()),
                Ok(None) => panic!("receipt {n} is missing without a word, torn at {at}"),
                Err(error) => {
                    damaged = true;
                    assert!(error.to_string().contains("main.db"), "{error}");
                }
            }
        }
        let summary = store.verify(&mut |_| ()).unwrap();
        assert!(!damaged || summary.damage > 0);
        errors += u64::from(damaged);
    }
    assert!(errors > 40, "{errors} of 60 were met");
}

/// An index that is torn, foreign, cut or gone is made anew and never asked.
#[test]
fn any_index_gives_right_answers() {
    let (home, _) = homes();
    let store = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(count_first(&store), RECEIPTS);
    drop(store);
    let foreign = ipvm_testkit::failpoint::folder();
    let store = Store::open(foreign.path(), keys_of).unwrap();
    (0..RECEIPTS).for_each(|n| put(&store, receipt_of(RECEIPTS - n, 1, n, 0)));
    assert_eq!(serials(&store, 1).len(), 1);
    drop(store);
    let foreign_index = fs::read(path(foreign.path(), "index.db")).unwrap();
    let foreign_wal = fs::read(path(foreign.path(), "index.db-wal")).unwrap();
    let own_wal = fs::read(path(home.path(), "index.db-wal")).unwrap();
    assert!(!foreign_wal.is_empty() && !own_wal.is_empty());
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let files: [(&[u8], &[u8]); 7] = [
        (&[], &[]),
        (b"garbage", b"more garbage"),
        (&[0xa5; 20_000], &[0x5a; 20_000]),
        (&foreign_index, &foreign_wal),
        (&foreign_index, &own_wal),
        (&[], &foreign_wal),
        (&half(&foreign_index), &half(&own_wal)),
    ];
    for (index, wal) in files {
        let torn = copy(home.path());
        for (name, bytes) in [("index.db", index), ("index.db-wal", wal)] {
            fs::write(path(torn.path(), name), bytes).unwrap();
        }
        let _ = fs::remove_file(path(torn.path(), "index.db-shm"));
        let reader = Store::open_read_only(torn.path(), keys_of).unwrap();
        assert_eq!(count_first(&reader), RECEIPTS);
        drop(reader);
        let store = Store::open(torn.path(), keys_of).unwrap();
        assert_eq!(count_first(&store), RECEIPTS);
        assert_eq!(store.verify(&mut |_| ()).unwrap().damage, 0);
    }
}

#[test]
fn garbage_in_the_lock_file_is_harmless() {
    let (home, _) = homes();
    for garbage in [
        &b""[..],
        b"\0\0\0",
        &[0xff; 5_000],
        b"99999999999999999999\n1 2 3\n",
        b"        12\nffffffffffffffff ffffffffffffffff 0\n",
    ] {
        fs::write(home.path().join("lock"), garbage).unwrap();
        let store = Store::open(home.path(), keys_of).unwrap();
        let second = Store::open(home.path(), keys_of).err().unwrap();
        assert!(
            matches!(second, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()),
            "{second}"
        );
        assert_eq!(count_first(&store), RECEIPTS);
    }
}

/// Cut, emptied and missing block files: never other bytes.
#[test]
fn a_cut_block_file_is_never_an_answer() {
    let home = ipvm_testkit::failpoint::folder();
    let data: Vec<u8> = (0..INLINE_BYTES_MAX + 5_000)
        .map(|n| (n % 251) as u8)
        .collect();
    let store = Store::open(home.path(), keys_of).unwrap();
    let cid = put_block(&store, &data);
    let name = cid.to_string();
    let file = home
        .path()
        .join("blocks")
        .join(&name[name.len() - 2..])
        .join(&name);
    for length in [0, 1, 4_096, INLINE_BYTES_MAX, data.len() - 1] {
        fs::write(&file, &data[..length]).unwrap();
        let error = store.get(&cid).unwrap_err();
        assert!(matches!(error, StoreError::BlockDamaged { .. }), "{error}");
        assert!(!store.has(&cid).unwrap(), "so that adding writes it again");
        assert_eq!(store.verify(&mut |_| ()).unwrap().damage, 1);
        put_block(&store, &data);
        assert_eq!(store.get(&cid).unwrap().as_ref(), Some(&data));
    }
}

/// Without this, the next run would begin with an empty store, and all that was reported would be forgotten.
#[test]
fn a_database_that_is_gone_is_not_replaced() {
    let (home, crashed) = homes();
    let remove = |file: &Path| fs::remove_file(file).unwrap();
    let empty = |file: &Path| fs::write(file, []).unwrap();
    let faults: [&dyn Fn(&Path); 2] = [&remove, &empty];
    for (fault, from) in faults.into_iter().zip([&home, &crashed]) {
        let torn = copy(from.path());
        fault(&path(torn.path(), "main.db"));
        for _ in 0..2 {
            let error = Store::open(torn.path(), keys_of).err().unwrap();
            assert!(matches!(error, StoreError::Lost { .. }), "{error}");
            assert!(Store::open_read_only(torn.path(), keys_of).is_err());
        }
        fs::remove_file(torn.path().join("lock")).unwrap();
        let _ = fs::remove_file(path(torn.path(), "main.db-wal"));
        let store = Store::open(torn.path(), keys_of).unwrap();
        assert_eq!(count_first(&store), 0, "what it says to do works");
    }
}
