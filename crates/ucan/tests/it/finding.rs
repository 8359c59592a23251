//! Finding proofs in a store: what is found is the shortest chain that holds, and what is not there is given up in time.

use crate::attacks::{key, links, sign};
use ipvm_ipld::Ipld;
use ipvm_ucan::{
    Context, Delegation, DelegationPayload, DelegationStore, Did, MAX_CHAIN, MAX_SEARCH,
    MemoryStore, NoChain, Revocation, Revocations, Verifier, Wanted, find_chain,
};
use std::cell::RefCell;
use std::collections::BTreeMap;

const NOW: i64 = 1_800_000_000;

/// Looks for a chain by which principal `invoker` may run on principal 0.
fn find(
    store: &dyn DelegationStore,
    invoker: usize,
    context: &Context<'_>,
) -> Result<Vec<Delegation>, NoChain> {
    let (invoker, subject) = (key(invoker), key(0));
    let wanted = Wanted {
        invoker: invoker.did(),
        subject: subject.did(),
        cmd: &"/wasm/run".parse().unwrap(),
        args: &BTreeMap::from([("uri".to_owned(), Ipld::from("https://example.com/x"))]),
    };
    find_chain(store, &wanted, context)
}

/// A link from one principal to another, about principal 0.
fn link(from: usize, to: usize) -> DelegationPayload {
    DelegationPayload {
        iss: key(from).did().clone(),
        aud: key(to).did().clone(),
        ..links(1).remove(0)
    }
}

fn store(links: Vec<DelegationPayload>) -> MemoryStore {
    let mut store = MemoryStore::default();
    for link in sign(links) {
        assert!(store.insert(link));
    }
    store
}

/// Counts what it is asked for.
struct Counting {
    store: MemoryStore,
    asked: RefCell<Vec<Did>>,
}

impl DelegationStore for Counting {
    fn delegations(&self, audience: &Did, subject: &Did) -> Vec<Delegation> {
        self.asked.borrow_mut().push(audience.clone());
        self.store.delegations(audience, subject)
    }
}

fn counting(links: Vec<DelegationPayload>) -> Counting {
    Counting {
        store: store(links),
        asked: RefCell::default(),
    }
}

/// Without it, an agent that has a right would not find it, or take a way that is not valid or longer than needed.
#[test]
fn finding_proofs() {
    let find = |store: &MemoryStore, invoker, context: &Context<'_>| {
        find(store, invoker, context).map(|chain| chain.len())
    };
    let context = Context::at(NOW);
    for depth in [1, 2, 3, 8, MAX_CHAIN] {
        let chain = sign(links(depth));
        let mut store = MemoryStore::default();
        chain
            .iter()
            .rev()
            .for_each(|link| assert!(store.insert(link.clone())));
        assert_eq!(find(&store, depth, &context), Ok(depth));
        assert_eq!(find(&store, 0, &context), Ok(0), "its own");
        assert!(find(&store, 55, &context).is_err());
        let found = |at| {
            find(&store, depth, &Context::at(at))
                .unwrap_err()
                .to_string()
        };
        assert!(
            found(NOW + 1000).contains("expired"),
            "{}",
            found(NOW + 1000)
        );
        assert!(found(NOW - 1000).contains("valid only from"));
    }
    // A shorter way, with dead ends of all kinds beside it.
    let mut all = links(8);
    let shortcut = DelegationPayload {
        aud: key(7).did().clone(),
        sub: None,
        ..all[3].clone()
    };
    let wrong = |edit: &dyn Fn(&mut DelegationPayload)| {
        let mut link = DelegationPayload {
            aud: key(8).did().clone(),
            ..links(1).remove(0)
        };
        edit(&mut link);
        link
    };
    all.push(shortcut);
    all.push(wrong(&|l| l.cmd = "/msg".parse().unwrap()));
    all.push(wrong(&|l| l.exp = Some(NOW - 100)));
    all.push(wrong(&|l| l.pol = ".uri == 1".parse().unwrap()));
    all.push(wrong(&|l| l.sub = None));
    all.push(wrong(&|l| l.sub = Some(key(9).did().clone())));
    all.push(DelegationPayload {
        aud: key(1).did().clone(),
        ..all[7].clone()
    });
    let mut store = MemoryStore::default();
    let signed = sign(all);
    signed
        .iter()
        .for_each(|link| assert!(store.insert(link.clone())));
    assert_eq!(find(&store, 8, &context), Ok(5));
    // Revoked by one in the middle: only the chains through it are gone.
    let mut set = Revocations::new();
    let revocation = Revocation::sign(&key(0), &[&signed[..3], &signed[8..9]].concat()).unwrap();
    let verified = Verifier::new()
        .revocation(&revocation, &|_| None, &context)
        .unwrap();
    set.insert(&verified).unwrap();
    assert_eq!(find(&store, 8, &context.revocations(&set)), Ok(8));
}

/// Without it, a search among principals who all trust each other would look at every way between them.
#[test]
fn each_principal_is_looked_at_once() {
    // Ten storeys of two, each with a link from both of the storey above; nobody up there has it from the subject.
    let storeys = (0..10).flat_map(|storey| {
        let lower = [2 * storey + 1, 2 * storey + 2];
        lower.map(|to| [link(lower[0] + 2, to), link(lower[1] + 2, to)])
    });
    let store = counting(storeys.flatten().collect());
    let refusal = find(&store, 1, &Context::at(NOW)).unwrap_err();
    assert!(matches!(refusal, NoChain::None { .. }), "{refusal}");
    assert_eq!(
        store.asked.borrow().len(),
        1 + 2 * 10,
        "the lowest, and two of each storey"
    );
}

/// Without it, a store that gives what it was not asked for would have a chain found that leads nowhere.
#[test]
fn a_store_that_gives_too_much() {
    struct All(Vec<Delegation>);
    impl DelegationStore for All {
        fn delegations(&self, _: &Did, _: &Did) -> Vec<Delegation> {
            self.0.clone()
        }
    }
    let about_another = DelegationPayload {
        sub: Some(key(2).did().clone()),
        ..link(0, 1)
    };
    for useless in [link(0, 5), about_another] {
        let refusal = find(&All(sign(vec![useless.clone()])), 1, &Context::at(NOW));
        assert!(matches!(refusal, Err(NoChain::None { .. })));
        let found = find(&All(sign(vec![useless, link(0, 1)])), 1, &Context::at(NOW));
        assert_eq!(found.unwrap()[0].payload().aud, *key(1).did());
    }
}

/// Without it, two who gave each other a right would keep a search busy until it is given up.
#[test]
fn a_search_does_not_go_in_a_circle() {
    // Where something was revoked, whatever it is, all ways are tried.
    let other = sign(links(1));
    let revocation = Revocation::sign(&key(0), &other).unwrap();
    let verified = Verifier::new()
        .revocation(&revocation, &|_| None, &Context::at(NOW))
        .unwrap();
    let mut revocations = Revocations::new();
    revocations.insert(&verified).unwrap();
    for (context, ways) in [
        (Context::at(NOW), 3),
        (Context::at(NOW).revocations(&revocations), 5),
    ] {
        // 1, 2 and 3 in a circle, both ways round; what 3 has from the subject is for something else.
        let mut links: Vec<_> = [(1, 2), (2, 3), (3, 1), (2, 1), (3, 2), (1, 3)]
            .map(|(from, to)| link(from, to))
            .into();
        links.push(DelegationPayload {
            cmd: "/msg".parse().unwrap(),
            ..link(0, 3)
        });
        let store = counting(links);
        let NoChain::None { reasons, .. } = find(&store, 1, &context).unwrap_err() else {
            panic!("given up");
        };
        assert_eq!(reasons.len(), 1, "each reason once: {reasons:?}");
        assert!(reasons[0].contains("/msg only"), "{reasons:?}");
        assert_eq!(store.asked.borrow().len(), ways, "{:?}", store.asked);
    }
}

/// Without it, the reasons of a failed search would fill the screen, or the search would end before its limit.
#[test]
fn a_search_is_bounded_and_says_the_first_reasons() {
    let useless = |n: usize| DelegationPayload {
        cmd: "/msg".parse().unwrap(),
        nonce: (n as u64).to_be_bytes().into(),
        ..link(9, 1)
    };
    let mut crowd = store((0..MAX_SEARCH).map(useless).collect());
    let context = Context::at(NOW);
    let NoChain::None { reasons, .. } = find(&crowd, 1, &context).unwrap_err() else {
        panic!("given up at the limit, not beyond it");
    };
    assert_eq!(reasons.len(), 8);
    sign(vec![useless(MAX_SEARCH)])
        .into_iter()
        .for_each(|link| assert!(crowd.insert(link)));
    assert_eq!(find(&crowd, 1, &context).unwrap_err(), NoChain::GivenUp);
}

/// Without it, whoever sends a request could keep its executor busy for minutes with policies that take long, and whoever
/// gives somebody such delegations could keep them from ever finding one that is good.
#[test]
fn policies_that_take_long_neither_block_a_search_nor_take_their_time_each() {
    let numbers = Ipld::List((0..9_000).map(|n: i64| n.into()).collect());
    let args = BTreeMap::from([("a".to_owned(), numbers)]);
    let heavy: ipvm_ucan::Policy = vec!["all .a: . >= 0"; 500].join("; ").parse().unwrap();
    let too_long = heavy.check(&Ipld::Map(args.clone())).unwrap_err();
    assert!(too_long.too_large, "it takes more than one check may");
    let heavy = |n: u64| DelegationPayload {
        pol: heavy.clone(),
        nonce: n.to_be_bytes().into(),
        ..link(0, 1)
    };
    let mut all = store((0..20).map(heavy).collect());
    let (invoker, subject) = (key(1), key(0));
    let cmd = "/wasm/run".parse().unwrap();
    let wanted = Wanted {
        invoker: invoker.did(),
        subject: subject.did(),
        cmd: &cmd,
        args: &args,
    };
    let context = Context::at(NOW);
    let NoChain::None { reasons, .. } = find_chain(&all, &wanted, &context).unwrap_err() else {
        panic!("given up");
    };
    assert!(
        reasons
            .iter()
            .all(|reason| reason.contains("takes too long to check")),
        "{reasons:?}"
    );
    let good = DelegationPayload {
        pol: "any .a: . == 7".parse().unwrap(),
        ..link(0, 1)
    };
    assert!(all.insert(sign(vec![good]).remove(0)));
    assert_eq!(find_chain(&all, &wanted, &context).unwrap().len(), 1);
}

/// Without it, somebody who has almost the right would not learn what it lacks.
#[test]
fn why_a_delegation_does_not_count() {
    type Edit = fn(&mut DelegationPayload);
    let each: [(Edit, &str); 4] = [
        (
            |l| l.cmd = "/msg".parse().unwrap(),
            "the right to /msg only",
        ),
        (
            |l| l.exp = Some(NOW - 100),
            "expired at 2027-01-15T07:58:20Z",
        ),
        (
            |l| l.nbf = Some(NOW + 100),
            "only from 2027-01-15T08:01:40Z on",
        ),
        (
            |l| l.pol = ".uri == 1".parse().unwrap(),
            "does not allow these args: ",
        ),
    ];
    for (edit, expected) in each {
        let mut almost = link(0, 1);
        edit(&mut almost);
        let refusal = find(&store(vec![almost]), 1, &Context::at(NOW)).unwrap_err();
        assert!(refusal.to_string().contains(expected), "{refusal}");
    }
}

/// Without it, a caller who asks a store what it holds would be told wrongly.
#[test]
fn what_a_store_holds() {
    let signed = sign(links(3));
    let mut store = MemoryStore::default();
    let verifier = Verifier::new();
    assert!(store.is_empty());
    for (i, link) in signed.iter().enumerate() {
        assert_eq!(store.len(), i);
        assert!(store.get(&link.cid()).is_none());
        assert_eq!(store.read(&verifier, link.bytes()), Ok(true));
        assert_eq!(store.read(&verifier, link.bytes()), Ok(false), "known");
        let found = store.get(&link.cid()).unwrap();
        assert_eq!(found.bytes(), link.bytes());
        assert!(!store.is_empty());
    }
    store.read(&verifier, &[0]).unwrap_err();
    assert_eq!(store.len(), 3);
    assert_eq!(store.given_to(key(2).did())[0].cid(), signed[1].cid());
    assert!(store.given_to(key(0).did()).is_empty());
}
