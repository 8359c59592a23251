//! Random chains against the naive validator of `ipvm-testkit`: the same verdict, kind by kind.

use crate::random::Random;
use ipvm_ipld::{Cid, Ipld, Limits, json};
use ipvm_testkit::naive_ucan::naive_verdict;
use ipvm_ucan::{
    Context, Delegation, DelegationPayload, Did, Invocation, InvocationPayload, Keypair, Policy,
    Revocation, Revocations, Verifier, verify_in,
};
use std::collections::{BTreeMap, HashMap};

pub(crate) const NOW: i64 = 1_800_000_000;
/// Chains of an ordinary run; `IPVM_CHAINS` sets another number.
const CHAINS: usize = 10_000;

const COMMANDS: [&str; 6] = ["/", "/crud", "/crud/read", "/crud/read/x", "/crudx", "/msg"];
pub(crate) const POLICIES: [&str; 14] = [
    "[]",
    "[]",
    r#"[["like",".uri","https://example.com/*"]]"#,
    r#"[["==",".n",3]]"#,
    r#"[["==",".n",3.0],[">",".n",2.5]]"#,
    r#"[["not",["==",".missing",1]]]"#,
    r#"[["!=",".missing",1]]"#,
    r#"[["all",".to",["like",".","*@example.com"]]]"#,
    r#"[["any",".to",["like",".","bob*"]]]"#,
    r#"[["or",[["==",".n",4],["like",".uri","*/a*"]]]]"#,
    r#"[["or",[]],["and",[]]]"#,
    r#"[["==",".to[-1]","bob@example.com"]]"#,
    r#"[["any",".map[]",["<=",".",1]]]"#,
    r#"[["==",".missing?",null],["==",".bytes[1:]",{"/":{"bytes":"AgM"}}]]"#,
];
pub(crate) const ARGS: [&str; 5] = [
    r#"{"uri":"https://example.com/a","n":3,"to":["bob@example.com"],"map":{"a":1,"b":2},"bytes":{"/":{"bytes":"AQID"}}}"#,
    r#"{"uri":"https://example.com/a","n":3,"to":["bob@example.com"],"map":{"a":1,"b":2},"bytes":{"/":{"bytes":"AQID"}}}"#,
    r#"{"uri":"https://example.org/","n":3.0,"to":[],"map":{"a":5},"bytes":{"/":{"bytes":"AQ"}}}"#,
    r#"{"uri":7,"n":"3","to":"bob@example.com","map":[1]}"#,
    "{}",
];

pub(crate) fn ipld(text: &str) -> Ipld {
    json::from_str(text, Limits::default()).unwrap()
}

pub(crate) struct World {
    keys: Vec<Keypair>,
    random: Random,
}

/// A chain as it came out.
pub(crate) struct Case {
    invocation: Invocation,
    pub(crate) chain: Vec<Delegation>,
    missing: Option<usize>,
    forged: Option<usize>,
    revoked: Vec<(Did, usize)>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            keys: (1..=6).map(|n| Keypair::from_seed(&[n; 32])).collect(),
            random: Random(seed),
        }
    }

    fn did(&self, n: usize) -> Did {
        self.keys[n].did().clone()
    }

    /// A chain that fits together, with a fault here and there.
    pub(crate) fn case(&mut self) -> Case {
        let depth = *self.random.pick(&[0, 1, 1, 2, 2, 3, 4, 8]);
        // How seldom something is spoiled: often enough to fail, seldom enough to reach the later steps.
        let seldom = 6 * (depth + 1);
        let mut chain: Vec<Delegation> = vec![];
        let mut issuer = 0;
        for _ in 0..depth {
            let audience = 1 + self.random.below(self.keys.len() - 1);
            let link = self.link(issuer, audience, chain.is_empty(), seldom);
            issuer = audience;
            chain.push(link);
        }
        if self.random.once_in(seldom) && chain.len() > 1 {
            let at = self.random.below(chain.len() - 1);
            chain.swap(at, at + 1);
        }
        if self.random.once_in(seldom) && !chain.is_empty() {
            chain.remove(self.random.below(chain.len()));
        }
        let invoker = if self.random.once_in(seldom) {
            self.random.below(self.keys.len())
        } else {
            issuer
        };
        let text: &str = ARGS[self.random.below(ARGS.len())];
        let Ipld::Map(args) = ipld(text) else {
            unreachable!()
        };
        let other = usize::from(self.random.once_in(seldom));
        let payload = InvocationPayload {
            iss: self.did(invoker),
            sub: self.did(other),
            aud: None,
            cmd: self.random.pick(&COMMANDS[1..]).parse().unwrap(),
            args,
            prf: chain.iter().map(Delegation::cid).collect(),
            nonce: vec![],
            exp: self.time(1, seldom),
            iat: None,
            cause: None,
            meta: None,
        };
        let invocation = Invocation::sign(&self.keys[invoker], payload).unwrap();
        let mut position = |n: usize| {
            let hit = self.random.once_in(seldom) && n > 0;
            hit.then(|| self.random.below(n))
        };
        let missing = position(chain.len());
        let forged = position(chain.len() + 1);
        let mut revoked = vec![];
        while let Some(at) = position(chain.len()) {
            let by = position(3 * seldom).unwrap_or(at) % 4;
            revoked.push((self.keys[by].did().clone(), at));
        }
        Case {
            invocation,
            chain,
            missing,
            forged,
            revoked,
        }
    }

    fn time(&mut self, sign: i64, seldom: usize) -> Option<i64> {
        if self.random.once_in(3) {
            return None;
        }
        // Within two seconds of the edge, skew included.
        let edge = NOW - sign * 60 + self.random.below(5) as i64 - 2;
        Some(if self.random.once_in(seldom) {
            edge
        } else {
            NOW + sign * 1000
        })
    }

    fn link(&mut self, issuer: usize, audience: usize, root: bool, seldom: usize) -> Delegation {
        let powerline = if root {
            self.random.once_in(2 * seldom)
        } else {
            self.random.once_in(3)
        };
        let sub = if powerline {
            None
        } else {
            let other = usize::from(self.random.once_in(seldom));
            Some(self.did(other))
        };
        let cmd = if self.random.once_in(seldom) {
            *self.random.pick(&COMMANDS)
        } else {
            *self.random.pick(&["/", "/", "/crud"])
        };
        let policy = if self.random.once_in(2) {
            *self.random.pick(&POLICIES)
        } else {
            "[]"
        };
        let payload = DelegationPayload {
            iss: self.did(issuer),
            aud: self.did(audience),
            sub,
            cmd: cmd.parse().unwrap(),
            pol: Policy::from_ipld(ipld(policy)).unwrap(),
            nonce: self.random.next().to_be_bytes().to_vec(),
            meta: None,
            nbf: self.time(-1, seldom),
            exp: self.time(1, seldom),
        };
        Delegation::sign(&self.keys[issuer], payload).unwrap()
    }
}

impl Case {
    /// The bytes of the invocation and of the proofs, as far as they are there, with the forgery done.
    pub(crate) fn tokens(&mut self, world: &World) -> (Vec<u8>, Vec<Option<Vec<u8>>>) {
        let last = self.forged == Some(self.chain.len());
        let invocation = if let Some(at) = self.forged.filter(|_| !last) {
            // A forged proof has another CID, under which nothing is there.
            let forged = Delegation::decode(&bytes(self.chain[at].bytes(), true)).unwrap();
            self.chain[at] = forged;
            let mut payload = self.invocation.payload().clone();
            payload.prf = self.chain.iter().map(Delegation::cid).collect();
            let mut keys = world.keys.iter();
            let key = keys.find(|key| *key.did() == payload.iss).unwrap();
            self.invocation = Invocation::sign(key, payload).unwrap();
            self.invocation.bytes().to_vec()
        } else {
            bytes(self.invocation.bytes(), last)
        };
        let links = self.chain.iter().enumerate();
        let proofs =
            links.map(|(i, link)| (self.missing != Some(i)).then(|| link.bytes().to_vec()));
        (invocation, proofs.collect())
    }
}

/// How many chains to make.
pub(crate) fn chains() -> usize {
    let set = std::env::var("IPVM_CHAINS").ok();
    set.and_then(|n| n.parse().ok()).unwrap_or(CHAINS)
}

/// A bit of the signature changed, if it is this token's turn.
fn bytes(token: &[u8], forge: bool) -> Vec<u8> {
    let mut bytes = token.to_vec();
    if forge {
        bytes[20] ^= 4;
    }
    bytes
}

/// The revocations as a set. The revokers of random chains need not be above what they revoke, so the paths are made up:
/// what counts is decided per chain.
fn revocations(world: &World, case: &Case) -> Revocations {
    let mut set = Revocations::new();
    for (revoker, at) in &case.revoked {
        let revoked = &case.chain[*at];
        let key = world.keys.iter().find(|key| key.did() == revoker).unwrap();
        let payload = InvocationPayload {
            iss: revoker.clone(),
            sub: revoker.clone(),
            aud: None,
            cmd: "/ucan/revoke".parse().unwrap(),
            args: BTreeMap::from([
                ("revoke".to_owned(), Ipld::Link(revoked.cid())),
                (
                    "path".to_owned(),
                    Ipld::List(vec![Ipld::Link(revoked.cid())]),
                ),
            ]),
            prf: vec![],
            nonce: vec![],
            exp: None,
            iat: None,
            cause: None,
            meta: None,
        };
        let token = Invocation::sign(key, payload).unwrap();
        let revocation = Revocation::from_invocation(token).unwrap();
        let verified = Verifier::new()
            .revocation(&revocation, &|_| None, &Context::at(NOW))
            .unwrap();
        set.insert(&verified).unwrap();
    }
    set
}

/// Without it, a rule could be wrong in a combination that no table has, and in the same way in test and code.
#[test]
fn ten_thousand_random_chains() {
    let mut world = World::new(9);
    let verifier = Verifier::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for turn in 0..chains() {
        let mut case = world.case();
        let (invocation, proofs) = case.tokens(&world);
        let told: Vec<(String, usize)> = case
            .revoked
            .iter()
            .map(|(revoker, at)| (revoker.to_string(), *at))
            .collect();
        let expected = naive_verdict(&invocation, &proofs, &told, NOW, 60);

        let revocations = revocations(&world, &case);
        let context = Context::at(NOW).revocations(&revocations);
        let store: HashMap<Cid, Delegation> = proofs
            .iter()
            .flatten()
            .map(|bytes| verifier.delegation(bytes).unwrap())
            .map(|link| (link.cid(), link))
            .collect();
        let read = verifier.invocation(&invocation).unwrap();
        let found = verify_in(&read, &|cid| store.get(cid).cloned(), &context);
        let kind = found.as_ref().map(|_| ()).map_err(|e| e.kind.as_str());
        assert_eq!(kind, expected, "chain {turn}: {found:?}");
        let name = expected.err().unwrap_or("valid");
        *seen.entry(name.to_owned()).or_default() += 1;
    }
    for kind in [
        "valid",
        "UnavailableProof",
        "InvalidSignature",
        "InvalidClaim",
        "InvalidSubject",
        "InvalidAudience",
        "TooEarly",
        "Expired",
        "MatchError",
        "Revoked",
    ] {
        let count = seen.get(kind).copied().unwrap_or_default();
        assert!(count >= 50, "only {count} chains are {kind}: {seen:?}");
    }
}
