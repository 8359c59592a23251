//! Containers: official vectors, all encodings, limits, and what is refused.

use crate::conformance;
use data_encoding::BASE64;
use ipvm_ipld::{Ipld, cbor};
use ipvm_ucan::admission::Scope;
use ipvm_ucan::{
    Container, ContainerError, DelegationBuilder, Encoding, InvocationBuilder, Keypair, Kind,
    MAX_CONTAINER_BYTES, Token, Verifier, Versions,
};

fn key(n: u8) -> Keypair {
    Keypair::from_seed(&[n; 32])
}

/// Some tokens of both kinds.
fn tokens(n: u8) -> Vec<Vec<u8>> {
    let owner = key(1);
    let delegation = |i| {
        let builder = DelegationBuilder::new(&owner, key(2).did(), "/crud".parse().unwrap());
        builder
            .expires(1_900_000_000)
            .sign([i; 12])
            .unwrap()
            .bytes()
            .to_vec()
    };
    let invocation = InvocationBuilder::new(&key(1), "/crud".parse().unwrap())
        .never_expires()
        .sign(vec![]);
    let mut all: Vec<_> = (0..n).map(delegation).collect();
    all.push(invocation.unwrap().bytes().to_vec());
    all
}

pub(crate) fn container(tokens: &[Vec<u8>]) -> Container {
    let mut container = Container::new();
    tokens
        .iter()
        .for_each(|token| assert!(container.insert(token.clone())));
    container
}

/// The map of a container, made by hand.
fn raw(key: &str, tokens: Vec<Ipld>) -> Vec<u8> {
    let map = Ipld::Map([(key.to_owned(), Ipld::List(tokens))].into());
    cbor::encode(&map).unwrap()
}

fn headed(header: u8, body: &[u8]) -> Vec<u8> {
    [&[header], body].concat()
}

/// Without it, we could not read what others send, nor they us.
#[test]
fn official_vectors() {
    let Some(folder) = conformance::folder("container") else {
        return;
    };
    let mut all = vec![];
    for (file, encoding) in [
        ("Bytes", Encoding::Raw),
        ("Base64StdPadding", Encoding::Base64),
        ("Base64URL", Encoding::Base64Url),
        ("BytesGzipped", Encoding::Gzip),
        ("Base64StdPaddingGzipped", Encoding::GzipBase64),
        ("Base64URLGzipped", Encoding::GzipBase64Url),
    ] {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        assert_eq!(bytes[0], encoding.header());
        // The vectors are not sorted, though the specification says so.
        assert!(
            matches!(Container::decode(&bytes), Err(ContainerError::Order(_))),
            "{file}"
        );
        let container = Container::decode_unsorted(&bytes).unwrap();
        assert_eq!(container.len(), 10);
        let again = container.encode(encoding).unwrap();
        assert_eq!(Container::decode(&again).unwrap(), container);
        // The tokens are of the release candidate, with a draft's header, which is read when asked for.
        assert!(container.tokens().is_err());
        for token in container.tokens_versions(Versions::StableAndRc1).unwrap() {
            let Token::Delegation(delegation) = token else {
                panic!("not a delegation")
            };
            delegation.verify_signature().unwrap();
        }
        all.push(container);
    }
    assert_eq!(all.len(), 6);
}

/// Without it, an encoding could lose or change tokens.
#[test]
fn all_encodings() {
    for n in [0, 1, 5] {
        let container = container(&tokens(n));
        for encoding in Encoding::ALL {
            let bytes = container.encode(encoding).unwrap();
            let read = Container::decode(&bytes).unwrap();
            assert_eq!(read, container);
            assert_eq!(Container::decode_unsorted(&bytes).unwrap(), container);
            assert_eq!(read.encode(encoding).unwrap(), bytes);
            assert_eq!(read.tokens().unwrap().len(), usize::from(n) + 1);
        }
    }
    assert!(!container(&tokens(1)).is_empty());
    let empty = Container::new().encode(Encoding::Base64Url).unwrap();
    assert!(Container::decode(&empty).unwrap().is_empty());
}

/// Without it, a container of some kilobytes could fill the memory.
#[test]
fn bombs() {
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    for _ in 0..200 {
        packer.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = packer.finish().unwrap();
    assert!(
        bomb.len() < MAX_CONTAINER_BYTES,
        "it is small: {}",
        bomb.len()
    );
    let error = Container::decode(&headed(b'M', &bomb)).unwrap_err();
    assert_eq!(error.kind(), Kind::TooLarge);
    let text = BASE64.encode(&bomb);
    let error = Container::decode(&headed(b'O', text.as_bytes())).unwrap_err();
    assert_eq!(error.kind(), Kind::TooLarge);

    let large = vec![0; MAX_CONTAINER_BYTES + 1];
    for header in *b"@BCMOP" {
        let error = Container::decode(&headed(header, &large.repeat(2))).unwrap_err();
        assert_eq!(error.kind(), Kind::TooLarge, "{}", header as char);
    }
    let mut over = Container::new();
    over.insert(large);
    assert!(over.encode(Encoding::Gzip).is_err(), "nobody would read it");
    let mut many = Container::new();
    (0..9000_u32).for_each(|i| assert!(many.insert(i.to_be_bytes().to_vec())));
    assert!(matches!(
        many.encode(Encoding::Raw),
        Err(ContainerError::TooMany(9000))
    ));
    // At the limit it is read: 14 bytes are around the token. One byte more nobody would read.
    let mut over = Container::new();
    over.insert(vec![7; MAX_CONTAINER_BYTES - 13]);
    assert!(matches!(
        over.encode(Encoding::Raw),
        Err(ContainerError::TooLarge { .. })
    ));
    let mut full = Container::new();
    full.insert(vec![7; MAX_CONTAINER_BYTES - 14]);
    let raw = full.encode(Encoding::Raw).unwrap();
    assert_eq!(raw.len(), 1 + MAX_CONTAINER_BYTES);
    for encoding in Encoding::ALL {
        let bytes = full.encode(encoding).unwrap();
        assert_eq!(Container::decode(&bytes).unwrap(), full);
    }
}

/// Without it, one container could be written in several ways, and be several things.
#[test]
fn what_is_refused() {
    let mut sorted = tokens(2);
    sorted.sort();
    let [a, b, c] = &sorted[..] else { panic!() };
    let bytes = |token: &Vec<u8>| Ipld::Bytes(token.clone());
    let good = raw("ctn-v1", vec![bytes(a), bytes(b), bytes(c)]);
    assert!(Container::decode(&headed(b'@', &good)).is_ok());
    let swapped = headed(b'@', &raw("ctn-v1", vec![bytes(b), bytes(a)]));
    assert_eq!(Container::decode(&swapped), Err(ContainerError::Order(1)));
    assert!(Container::decode_unsorted(&swapped).is_ok());
    let twice = headed(b'@', &raw("ctn-v1", vec![bytes(a), bytes(a)]));
    assert_eq!(Container::decode(&twice), Err(ContainerError::Duplicate(1)));
    assert_eq!(
        Container::decode_unsorted(&twice),
        Err(ContainerError::Duplicate(1))
    );
    let form = |body: &[u8]| Container::decode(&headed(b'@', body)).unwrap_err();
    assert_eq!(form(&raw("ctn-v2", vec![])), ContainerError::Form);
    assert_eq!(
        form(&raw("ctn-v1", vec![Ipld::Integer(1)])),
        ContainerError::Form
    );
    let list = cbor::encode(&Ipld::List(vec![])).unwrap();
    assert_eq!(form(&list), ContainerError::Form);
    let two = Ipld::Map(
        [
            ("ctn-v1".into(), Ipld::List(vec![])),
            ("x".into(), Ipld::Null),
        ]
        .into(),
    );
    assert_eq!(form(&cbor::encode(&two).unwrap()), ContainerError::Form);
    assert!(matches!(
        form(&[&good[..], &[0]].concat()),
        ContainerError::Cbor(_)
    ));
    assert!(matches!(
        Container::decode(b""),
        Err(ContainerError::Header(_))
    ));
    assert!(matches!(
        Container::decode(b"Xabc"),
        Err(ContainerError::Header(_))
    ));
    let text = BASE64.encode(&good);
    assert!(Container::decode(&headed(b'B', text.as_bytes())).is_ok());
    for wrong in [
        format!("{text}\n"),
        text.trim_end_matches('=').to_owned() + "!",
        "A".into(),
    ] {
        let error = Container::decode(&headed(b'B', wrong.as_bytes())).unwrap_err();
        assert!(matches!(error, ContainerError::Base64(_)), "{error}");
    }
    let packed = container(&sorted).encode(Encoding::Gzip).unwrap();
    let trailing = [&packed[..], b"more"].concat();
    let error = Container::decode(&trailing).unwrap_err().to_string();
    assert!(error.contains("bytes follow its end"), "{error}");
    let doubled = [&packed[..], &packed[1..]].concat();
    assert!(Container::decode(&doubled).is_err(), "a second member");
    assert!(
        Container::decode(&packed[..packed.len() - 3]).is_err(),
        "cut off"
    );
    let mut damaged = packed;
    let at = damaged.len() - 6;
    damaged[at] ^= 1;
    assert!(Container::decode(&damaged).is_err(), "another checksum");
    // What is no token is named by its position.
    let mut odd = container(&sorted);
    odd.insert(vec![0xff; 4]);
    let error = odd.tokens().unwrap_err();
    assert!(
        matches!(&error, ContainerError::Token { position: 3, .. }),
        "{error}"
    );
    assert!(Verifier::new().tokens(&odd).is_err());
}

/// Without it, a verifier would take the same proofs apart for each container, or remember what it has no room for.
#[test]
fn delegations_of_containers_are_remembered_up_to_a_size() {
    let verifier = Verifier::new();
    let sized = |bytes: usize| {
        let (owner, agent) = (key(1), key(2));
        let builder = DelegationBuilder::new(&owner, agent.did(), "/crud".parse().unwrap());
        let builder = builder.meta("fill", Ipld::Bytes(vec![0; bytes]));
        let token = builder.never_expires().sign([1; 12]).unwrap();
        token.bytes().to_vec()
    };
    for (bytes, remembered) in [(10, 1), (10, 1), (3000, 1), (1000, 2)] {
        verifier.tokens(&container(&[sized(bytes)])).unwrap();
        assert_eq!(verifier.remembered(), remembered, "{bytes} bytes more");
    }
}

/// Without it, a scope could say that nothing came along when something did.
#[test]
fn scopes_count_delegations() {
    for n in 0..3 {
        let all = container(&tokens(n)).tokens().unwrap();
        let (scope, invocations) = Scope::of(all);
        assert_eq!((scope.len(), invocations.len()), (usize::from(n), 1));
        assert_eq!(scope.is_empty(), n == 0);
    }
}
