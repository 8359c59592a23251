//! Properties: random bytes never panic, and random chains have the verdict of a naive validator.

use ipvm_ipld::{Cid, Ipld, cid_of, codec};
use ipvm_ucan::{
    Command, Delegation, DelegationPayload, Did, Invocation, InvocationPayload, Keypair, Policy,
    Receipt, promise, verify,
};
use proptest::prelude::*;

fn key(n: u8) -> Keypair {
    Keypair::from_seed(&[n; 32])
}

fn did(n: u8) -> Did {
    key(n).did().clone()
}

fn command(n: u8) -> Command {
    ["/", "/a", "/a/b", "/a/bc", "/ab"][usize::from(n) % 5]
        .parse()
        .unwrap()
}

/// A link by small numbers: issuer, audience, subject (3 = null), command, not before, end.
type Link = (u8, u8, u8, u8, Option<i64>, Option<i64>);

fn delegation(&(iss, aud, sub, cmd, nbf, exp): &Link) -> Delegation {
    let payload = DelegationPayload {
        iss: did(iss),
        aud: did(aud),
        sub: (sub != 3).then(|| did(sub)),
        cmd: command(cmd),
        pol: Policy::none(),
        nonce: vec![],
        meta: None,
        nbf,
        exp,
    };
    Delegation::sign(&key(iss), payload).unwrap()
}

/// Few principals and commands, so that chance makes valid chains too.
fn link() -> impl Strategy<Value = Link> {
    let time = || proptest::option::weighted(0.2, 90..110_i64);
    (
        0..3_u8,
        0..3_u8,
        prop_oneof![Just(0_u8), Just(0), Just(0), 0..4_u8],
        prop_oneof![Just(0_u8), 0..5_u8],
        time(),
        time(),
    )
}

/// The rules, written as one condition after the other over numbers, without a shared line with the real thing.
fn naive(links: &[Link], (iss, sub, cmd, exp): (u8, u8, u8, Option<i64>), at: i64) -> bool {
    let covers = |right: u8, wanted: u8| {
        let [right, wanted] = [right, wanted].map(|n| command(n).to_string());
        right == "/" || wanted == right || wanted.starts_with(&format!("{right}/"))
    };
    if links.is_empty() {
        return iss == sub && exp.is_none_or(|exp| at <= exp);
    }
    let aligned = (1..links.len()).all(|i| links[i].0 == links[i - 1].1);
    iss != sub
        && links[0].2 == sub
        && links[0].0 == sub
        && aligned
        && links[links.len() - 1].1 == iss
        && links.iter().all(|link| link.2 == sub || link.2 == 3)
        && links.iter().all(|link| covers(link.3, cmd))
        && links
            .iter()
            .all(|link| link.4.is_none_or(|nbf| nbf <= at) && link.5.is_none_or(|exp| at <= exp))
        && exp.is_none_or(|exp| at <= exp)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Without it, a rule could be wrong in a combination that no table has.
    #[test]
    fn verdicts_are_those_of_a_naive_validator(
        mut links in proptest::collection::vec(link(), 0..4),
        straighten in any::<bool>(),
        iss in 0..3_u8,
        cmd in 0..5_u8,
        exp in proptest::option::weighted(0.2, 90..110_i64),
    ) {
        // Half of the chains are made to fit together, so that the later rules decide.
        let (mut iss, sub) = (iss, 0);
        if straighten && !links.is_empty() {
            links[0].0 = sub;
            links[0].2 = sub;
            for i in 1..links.len() {
                links[i].0 = links[i - 1].1;
                links[i].2 = if links[i].2 == 3 { 3 } else { sub };
            }
            iss = links[links.len() - 1].1;
        }
        let chain: Vec<_> = links.iter().map(delegation).collect();
        let payload = InvocationPayload {
            iss: did(iss),
            sub: did(sub),
            aud: None,
            cmd: command(cmd),
            args: Default::default(),
            prf: chain.iter().map(Delegation::cid).collect(),
            nonce: vec![],
            exp,
            iat: None,
            cause: None,
            meta: None,
        };
        let invocation = Invocation::sign(&key(iss), payload).unwrap();
        let find = |cid: &Cid| chain.iter().find(|d| d.cid() == *cid).cloned();
        let found = verify(&invocation, &find, 100, 0);
        prop_assert_eq!(found.is_ok(), naive(&links, (iss, sub, cmd, exp), 100), "{:?}", found);
    }

    /// Without it, damaged tokens could make a decoder panic, or be kept in other bytes than came in.
    #[test]
    fn damaged_tokens(edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4)) {
        let mut bytes = delegation(&(0, 1, 0, 1, Some(5), Some(6))).bytes().to_vec();
        for (at, byte) in &edits {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        let original = delegation(&(0, 1, 0, 1, Some(5), Some(6)));
        if let Ok(read) = Delegation::decode(&bytes) {
            prop_assert_eq!(read.bytes(), &bytes[..]);
            prop_assert_eq!(read.cid(), cid_of(codec::DAG_CBOR, &bytes));
            // Nothing but the bytes that were signed carries that signature.
            prop_assert_eq!(read.verify_signature().is_ok(), bytes == original.bytes());
        }
    }

    /// Without it, random bytes could make a decoder panic.
    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,80}") {
        prop_assert!(Delegation::decode(&bytes).is_err());
        prop_assert!(Invocation::decode(&bytes).is_err());
        prop_assert!(Receipt::decode(&bytes).is_err());
        if let Ok(did) = format!("did:key:z{text}").parse::<Did>() {
            prop_assert_eq!(did.as_str(), format!("did:key:z{text}"));
        }
        if let Ok(command) = text.parse::<Command>() {
            prop_assert_eq!(command.as_str(), text);
        }
    }

    /// Without it, one key could have two texts, and so be two principals.
    #[test]
    fn dids_have_one_text(key in any::<[u8; 32]>(), at in any::<proptest::sample::Index>(), c in "[1-9A-Za-z]") {
        let did = Did::from_ed25519(key);
        let text = did.to_string();
        prop_assert_eq!(&text.parse::<Did>().unwrap(), &did);
        let at = at.index(text.len() - "did:key:z".len()) + "did:key:z".len();
        let mut changed = text.clone();
        changed.replace_range(at..=at, &c);
        let mut longer = text.clone();
        longer.insert_str(at, &c);
        for other in [changed, longer] {
            if let Ok(other) = other.parse::<Did>() {
                prop_assert_eq!(other == did, other.to_string() == text);
                prop_assert_eq!(other.key() == did.key(), other.to_string() == text);
                prop_assert_eq!(other.partial_cmp(&did), other.as_str().partial_cmp(did.as_str()));
            }
        }
    }

    /// Without it, resolving could lose or change what is not a promise.
    #[test]
    fn resolving_data_changes_nothing(numbers in proptest::collection::vec(any::<i64>(), 0..20), name in "[a-z]{0,8}") {
        let list = Ipld::List(numbers.iter().map(|n| Ipld::Integer((*n).into())).collect());
        let args = Ipld::Map([(name, list)].into());
        prop_assert_eq!(promise::awaits(&args).unwrap(), vec![]);
        let resolved = promise::resolve(&args, &mut |_| Err("there is no promise"));
        prop_assert_eq!(resolved, Ok(args));
    }
}
