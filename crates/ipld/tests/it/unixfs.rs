//! Files with the real parameters of the profile, against the CIDs that js-ipfs-unixfs gives.

use ipvm_ipld::unixfs::{Builder, CHUNK_BYTES, NODE_LINKS, export, import};
use ipvm_ipld::{Block, Cid, Ipld};
use std::collections::HashMap;

/// A linear congruential generator's top bytes.
fn data(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Without it, a file would have another CID here than in every IPFS tool.
#[test]
fn cids_of_other_tools() {
    for (length, expected) in [
        (
            0,
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        ),
        (
            1,
            "bafkreig2xu5p65u7a7vsszkad2yctf2oxorua6x5akzg3w2wj2s7r35ooi",
        ),
        (
            1 << 20,
            "bafkreiep7x36nt66cvnlcghb64cdlw467uhjm5c6m5efjck63ult7rmrzi",
        ),
        (
            (1 << 20) + 1,
            "bafybeihtedftjxy6bkqn6rdcfaov6mbrtqtta46qt6cfk42rr7ktkai4qm",
        ),
        (
            3 << 20,
            "bafybeib5hjqlvpj5bawigiowykedhc7jekobizoewbbjrqxzg7wpjcthtq",
        ),
        (
            10_000_000,
            "bafybeig7q2ldsjxi5zctule5c27bdl6z2gbf3ayxj2tuhno6c5m2ikjy6m",
        ),
    ] {
        let bytes = data(length);
        let (cid, blocks) = import(&bytes);
        assert_eq!(cid.to_string(), expected, "{length} bytes");
        let store: HashMap<Cid, Vec<u8>> = blocks.into_iter().map(Block::into_parts).collect();
        let mut out = Vec::new();
        let mut get = |cid: &Cid| store.get(cid).cloned().ok_or("not there");
        let mut sink = |part: &[u8]| {
            out.extend_from_slice(part);
            Ok(())
        };
        assert_eq!(export(&cid, &mut get, &mut sink).unwrap(), length as u64);
        assert!(out == bytes, "{length} bytes come back");
    }
}

/// Without it, our nodes could be DAG-PB to ourselves only.
#[test]
fn nodes_are_canonical_dag_pb() {
    let (cid, blocks) = import(&data(5_000_000));
    let root = blocks.last().unwrap();
    assert_eq!(*root.cid(), cid);
    let read = ipld_dagpb::to_ipld(root.data()).unwrap();
    assert_eq!(ipld_dagpb::from_ipld(&read).unwrap(), root.data());
    let Ok(Some(Ipld::List(links))) = read.take("Links") else {
        panic!("no links")
    };
    assert_eq!(links.len(), 5);
}

/// Without it, the step from one node to two levels (at 1 GiB) would never be taken in a test.
#[test]
fn one_gibibyte_and_a_byte() {
    let zeros = vec![0; CHUNK_BYTES];
    let mut largest = 0;
    let mut count = 0;
    let mut sink = |block: Block| -> Result<(), String> {
        largest = largest.max(block.data().len());
        count += 1;
        Ok(())
    };
    let mut builder = Builder::new();
    for _ in 0..NODE_LINKS {
        builder.push(&zeros, &mut sink).unwrap();
    }
    builder.push(&[0], &mut sink).unwrap();
    let root = builder.finish(&mut sink).unwrap();
    assert_eq!(root.size, (1 << 30) + 1);
    assert_eq!(
        root.cid.to_string(),
        "bafybeigx4uyebjbq65346xh6cjrt6yshbdudzudhnqecwbzvymslxj7gje"
    );
    assert_eq!((count, largest), (NODE_LINKS + 4, CHUNK_BYTES));
}
