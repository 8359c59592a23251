//! What users rely on when they compare digests with those of other tools. Without these, an update
//! of a library could change one unnoticed, and every check against it would fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ipvm_guest_hash::digest::{self, Algorithm, Digest, MAX_BLOCK_BYTES};
use ipvm_guest_hash::encoding::{self, Encoding, MAX_ENCODED_BYTES};
use ipvm_guest_hash::merkle;
use ipvm_guest_hash::problem::Problem;

/// The digests of the algorithms' own specifications.
#[test]
fn digests_are_those_of_everybody_else() {
    use Algorithm::{Blake3, Crc32, Sha1, Sha256, Sha512, Xxhash64};
    let cases: [(&[u8], Algorithm, &str); 12] = [
        (
            b"",
            Sha256,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            b"abc",
            Sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            b"abc",
            Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (
            b"",
            Blake3,
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        ),
        (
            b"abc",
            Blake3,
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        ),
        (b"", Sha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        (b"abc", Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (b"", Crc32, "00000000"),
        (b"123456789", Crc32, "cbf43926"),
        (b"", Xxhash64, "ef46db3751d8e999"),
        (b"a", Xxhash64, "d24ec4f1a98c6e5b"),
        (b"abc", Xxhash64, "44bc2cf5ad770999"),
    ];
    for (data, algorithm, expect) in cases {
        let digest = Digest::of(data, algorithm);
        assert_eq!(digest.hex(), expect, "{algorithm} of {data:?}");
        assert_eq!(digest.value.len(), algorithm.length(), "{algorithm}");
        assert!(digest::verify(data, algorithm, expect).unwrap());
    }
}

#[test]
fn a_multihash_names_its_algorithm() {
    let cases = [
        (Algorithm::Sha256, &[0x12, 32][..]),
        (Algorithm::Sha512, &[0x13, 64]),
        (Algorithm::Blake3, &[0x1e, 32]),
        (Algorithm::Sha1, &[0x11, 20]),
        (Algorithm::Crc32, &[0xb2, 0x02, 4]),
        (Algorithm::Xxhash64, &[0xe2, 0xe7, 0x02, 8]),
    ];
    for (algorithm, head) in cases {
        let digest = Digest::of(b"x", algorithm);
        assert_eq!(
            digest.multihash(),
            [head, &digest.value].concat(),
            "{algorithm}"
        );
    }
}

#[test]
fn a_digest_is_recognised_however_it_is_written() {
    let data = b"The quick brown fox";
    for algorithm in Algorithm::ALL {
        let digest = Digest::of(data, algorithm);
        let texts = [
            digest.hex(),
            digest.hex().to_uppercase(),
            format!("  {}\n", digest.hex()),
            encoding::encode(&digest.value, Encoding::Base64).unwrap(),
            encoding::encode(&digest.value, Encoding::Base64url).unwrap(),
        ];
        for text in texts {
            assert!(
                digest::verify(data, algorithm, &text).unwrap(),
                "{algorithm} {text}"
            );
            assert!(!digest::verify(b"other", algorithm, &text).unwrap());
        }
        assert_eq!(
            digest::verify(data, algorithm, "abc").unwrap_err(),
            Problem::DigestLength {
                given: 3,
                algorithm
            }
        );
        let odd = "?".repeat(algorithm.length() * 2);
        assert!(matches!(
            digest::verify(data, algorithm, &odd),
            Err(Problem::NotEncoded(_))
        ));
    }
}

#[test]
fn a_cid_is_that_of_a_raw_block() {
    let cases: [(&[u8], &str); 2] = [
        (
            b"",
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        ),
        (
            b"abc",
            "bafkreif2pall7dybz7vecqka3zo24irdwabwdi4wc55jznaq75q7eaavvu",
        ),
    ];
    for (data, expect) in cases {
        assert_eq!(digest::cid(data).unwrap(), expect);
    }
    assert!(digest::cid(&vec![0; MAX_BLOCK_BYTES]).is_ok());
    assert!(matches!(
        digest::cid(&vec![0; MAX_BLOCK_BYTES + 1]),
        Err(Problem::TooLarge { .. })
    ));
}

#[test]
fn what_is_encoded_is_decoded_again_and_nothing_else_is() {
    let cases: [(&[u8], [&str; 4]); 4] = [
        (b"", ["", "", "", ""]),
        (b"f", ["66", "my", "Zg==", "Zg"]),
        (
            b"foobar",
            ["666f6f626172", "mzxw6ytboi", "Zm9vYmFy", "Zm9vYmFy"],
        ),
        (b"\xfb\xff", ["fbff", "7p7q", "+/8=", "-_8"]),
    ];
    let all = [
        Encoding::Hex,
        Encoding::Base32,
        Encoding::Base64,
        Encoding::Base64url,
    ];
    for (data, texts) in cases {
        for (encoding, text) in all.into_iter().zip(texts) {
            assert_eq!(encoding::encode(data, encoding).unwrap(), text);
            assert_eq!(encoding::decode(text, encoding).unwrap(), data);
        }
    }
    let refused = [
        (Encoding::Hex, "6"),
        (Encoding::Hex, "6g"),
        (Encoding::Base32, "mz1"),
        (Encoding::Base64, "Zg"),
        (Encoding::Base64, "Zh=="),
        (Encoding::Base64, "Zg=\n="),
        (Encoding::Base64url, "Zg=="),
    ];
    for (encoding, text) in refused {
        let told = encoding::decode(text, encoding).unwrap_err().to_string();
        assert!(
            told.starts_with(&format!("the text is not {encoding}: ")),
            "{told}"
        );
    }
    assert_eq!(encoding::decode("0A", Encoding::Hex).unwrap(), [10]);
    assert_eq!(encoding::decode("MZXW6", Encoding::Base32).unwrap(), b"foo");
    let large = vec![0; MAX_ENCODED_BYTES + 1];
    assert!(matches!(
        encoding::encode(&large, Encoding::Hex),
        Err(Problem::TooLarge { .. })
    ));
}

fn leaves(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|index| format!("leaf {index}").into_bytes())
        .collect()
}

/// The definition of section 2.1.1, word for word, to compare with.
fn by_definition(leaves: &[Vec<u8>], algorithm: Algorithm) -> Vec<u8> {
    match leaves {
        [leaf] => algorithm.of(&[&[0], leaf]),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            let (left, right) = (
                by_definition(left, algorithm),
                by_definition(right, algorithm),
            );
            algorithm.of(&[&[1], &left, &right])
        }
    }
}

#[test]
fn a_root_is_that_of_the_definition() {
    for count in 1..40 {
        for algorithm in [Algorithm::Sha256, Algorithm::Blake3] {
            let root = merkle::root(&leaves(count), algorithm).unwrap();
            assert_eq!(
                root.value,
                by_definition(&leaves(count), algorithm),
                "{count} leaves"
            );
        }
    }
}

#[test]
fn a_proof_holds_for_its_leaf_its_place_and_its_tree_alone() {
    let algorithm = Algorithm::Sha256;
    for count in 1..20_u32 {
        let leaves = leaves(count as usize);
        let root = merkle::root(&leaves, algorithm).unwrap().value;
        for (index, leaf) in (0..).zip(&leaves) {
            let proof = merkle::proof(&leaves, index, algorithm).unwrap();
            let holds = |root: &[u8], place, leaf: &[u8], proof: &[Vec<u8>]| {
                merkle::verify(root, place, leaf, proof, algorithm).unwrap()
            };
            assert!(
                holds(&root, (index, count), leaf, &proof),
                "{index} of {count}"
            );
            assert!(!holds(&root, (index, count), b"other", &proof));
            assert!(!holds(&[0; 32], (index, count), leaf, &proof));
            if count > 1 {
                assert!(!holds(&root, ((index + 1) % count, count), leaf, &proof));
                assert!(!holds(&root, (index, count), leaf, &proof[1..]));
            }
            let longer = [&proof[..], &[vec![0; 32]]].concat();
            assert!(!holds(&root, (index, count), leaf, &longer));
        }
    }
}

#[test]
fn trees_that_prove_nothing_are_refused() {
    let strong = Algorithm::Sha256;
    assert_eq!(merkle::root(&[], strong), Err(Problem::NoLeaves));
    let absent = Problem::NoSuchLeaf { given: 3, most: 2 };
    assert_eq!(merkle::proof(&leaves(3), 3, strong), Err(absent.clone()));
    assert_eq!(merkle::verify(&[], (3, 3), b"", &[], strong), Err(absent));
    assert_eq!(
        merkle::verify(&[], (0, 0), b"", &[], strong),
        Err(Problem::NoLeaves)
    );
    for weak in [Algorithm::Sha1, Algorithm::Crc32, Algorithm::Xxhash64] {
        assert_eq!(merkle::root(&leaves(2), weak), Err(Problem::Weak(weak)));
        assert_eq!(
            merkle::verify(&[], (0, 1), b"", &[], weak),
            Err(Problem::Weak(weak))
        );
    }
    assert_eq!(
        Problem::Weak(Algorithm::Crc32).to_string(),
        "crc32 is too weak for a tree: use sha256, sha512 or blake3"
    );
    let many = vec![Vec::new(); merkle::MAX_LEAVES + 1];
    assert!(matches!(
        merkle::root(&many, strong),
        Err(Problem::TooManyLeaves { .. })
    ));
}
