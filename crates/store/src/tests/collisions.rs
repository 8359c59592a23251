//! Cut keys. Without these: two CIDs with equal keys would answer for each other.

use super::fixture::{keys_of, named, put, put_block, receipt, serials};
use crate::Store;
use crate::options::Tuning;

/// Keys of two bits: of a hundred CIDs, twenty-five share each key.
#[test]
fn equal_keys_do_not_mix_their_cids() {
    let home = tempfile::tempdir().unwrap();
    let tuning = Tuning {
        key_mask: 0b11,
        merge_rows_min: 10,
        ..Tuning::default()
    };
    let store = Store::open_tuned(home.path(), keys_of, tuning).unwrap();
    let blocks: Vec<_> = (0..100_u8).map(|n| put_block(&store, &[n])).collect();
    (0..100).for_each(|n| put(&store, receipt(n, n + 1, n)));
    let found = store
        .index
        .find(crate::tail::KeyKind::Task, store.keyer.key(&named(5)))
        .unwrap();
    assert!(found.len() > 10, "the keys really collide: {}", found.len());
    for n in 0..100 {
        assert_eq!(serials(&store, n), [n]);
        assert_eq!(
            store.receipts_by_computation(&named(n + 1)).unwrap().len(),
            1
        );
        let new = receipt(n, n + 1, n);
        assert_eq!(
            store.receipt(new.block.cid()).unwrap().unwrap().block,
            new.block.data()
        );
    }
    for (n, cid) in blocks.iter().enumerate() {
        assert_eq!(store.get(cid).unwrap(), Some(vec![n as u8]));
    }
    assert!(serials(&store, 1_000).is_empty());
    assert!(!store.has(&named(1_000)).unwrap());
}

#[test]
fn two_databases_have_different_keys() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [a, b] = homes
        .each_ref()
        .map(|home| Store::open(home.path(), keys_of).unwrap());
    assert_ne!(a.keyer.key(&named(1)), b.keyer.key(&named(1)));
    assert_eq!(a.keyer.key(&named(1)), a.keyer.key(&named(1)));
}
