//! Headers of signatures: those that are known, one spelling each; what is wrong with all others, by name.

use ipvm_ucan::varsig::{VarsigError, header, read};
use ipvm_ucan::{Algorithm, Algorithm::*};

/// Numbers, each as a varint in its shortest form.
fn varints(parts: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        let mut rest = *part;
        while rest > 0x7f {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
    bytes
}

/// Without it, a signature of an unknown kind would be refused without a word about which it is.
#[test]
fn what_is_not_supported_is_named() {
    let known = [
        (Ed25519, "Ed25519", [0x34, 1, 0xed, 0xed, 0x13, 0x71]),
        (P256, "P-256", [0x34, 1, 0xec, 0x1200, 0x12, 0x71]),
        (Secp256k1, "secp256k1", [0x34, 1, 0xec, 0xe7, 0x12, 0x71]),
    ];
    for (algorithm, name, parts) in known {
        assert_eq!(varints(&parts), header(algorithm));
        assert_eq!(read(&header(algorithm)), Ok(algorithm));
        assert_eq!(algorithm.to_string(), name);
        let with = |at: usize, part: u64| {
            let mut parts = parts;
            parts[at] = part;
            read(&varints(&parts)).unwrap_err()
        };
        let form = |bytes: Vec<u8>| {
            let shown = data_encoding::HEXLOWER.encode(&bytes);
            assert_eq!(read(&bytes), Err(VarsigError::Form(shown)));
        };
        form(varints(&[&[0x35], &parts[1..]].concat()));
        form(varints(&parts[..3]));
        form(varints(&[&parts[..], &[0]].concat()));
        assert_eq!(with(1, 2), VarsigError::Version(2));
        let code = 0x1205;
        let name = "RSA";
        assert_eq!(with(2, code), VarsigError::Algorithm { code, name });
        let (code, name) = (0xb1, "BLS12-381");
        assert_eq!(with(2, code), VarsigError::Algorithm { code, name });
        let (code, name) = (u64::MAX, "an unknown algorithm");
        assert_eq!(with(2, code), VarsigError::Algorithm { code, name });
        let family = if algorithm == Ed25519 {
            "EdDSA"
        } else {
            "ECDSA"
        };
        let curve = VarsigError::Curve {
            algorithm: family,
            code: 0x1201,
        };
        assert_eq!(with(3, 0x1201), curve);
        let code = 0x14;
        assert_eq!(with(4, code), VarsigError::Hash { algorithm, code });
        let code = 0x129;
        assert_eq!(with(5, code), VarsigError::Encoding { code });
    }
    // The curve is named where something follows it; without, it is no header.
    form_of(&[0x34, 1, 0xed, 0x1201]);
    form_of(&[0x34, 1, 0xed, 0xed]);
    form_of(&[0x34, 1, 0xec, 0x1200]);
}

fn form_of(parts: &[u64]) {
    let error = read(&varints(parts)).unwrap_err();
    assert!(matches!(error, VarsigError::Form(_)), "{parts:x?}: {error}");
}

/// Without it, one header could be written in several ways, and one token have several CIDs.
#[test]
fn numbers_have_one_spelling() {
    let algorithm = |code: &[u8]| read(&[&[0x34, 1], code].concat());
    let largest = varints(&[u64::MAX]);
    assert_eq!(largest.len(), 10);
    assert!(matches!(
        algorithm(&largest),
        Err(VarsigError::Algorithm { code: u64::MAX, .. })
    ));
    // At 2^63 the last byte is 1, and 2 would be 2^64.
    let mut beyond = largest;
    beyond[9] = 2;
    let eleven = [&[0x80; 10][..], &[1]].concat();
    for wrong in [&beyond[..], &eleven, &[0x81, 0], &[0xed], &[0xed, 0x81, 0]] {
        let error = algorithm(wrong).unwrap_err();
        assert!(matches!(error, VarsigError::Form(_)), "{wrong:x?}: {error}");
    }
    let error = algorithm(&[0]).unwrap_err();
    assert!(matches!(error, VarsigError::Algorithm { code: 0, .. }));
    assert_eq!(Algorithm::ALL.len(), 3);
}

/// Without it, a header of any length would be taken apart, and repeated in an error.
#[test]
fn headers_are_short() {
    let long = |bytes: usize| {
        let mut header = vec![0x34, 1, 0x7f];
        header.resize(bytes, 1);
        read(&header).unwrap_err()
    };
    assert!(matches!(
        long(64),
        VarsigError::Algorithm { code: 0x7f, .. }
    ));
    let VarsigError::Form(shown) = long(65) else {
        panic!("one byte more is not read");
    };
    assert_eq!(shown.len(), 2 * 64, "and not shown whole");
}
