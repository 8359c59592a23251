//! Tokens of `iso-ucan` (npm) verified here, and tokens of ours for it: the Rust end of `.ci/ucan-interop`.
//!
//! `IPVM_UCAN_INTEROP` names the folder through which they go: `theirs.json` is read, `ours.json` is written.

use ipvm_ipld::{Cid, Ipld, Limits, json};
use ipvm_ucan::{
    Algorithm, Context, Delegation, DelegationPayload, Invocation, InvocationPayload, Keypair,
    Kind, Policy, Refusal, Verifier, Versions,
};
use serde_json::{Value, json as document};
use std::path::PathBuf;

const NOW: i64 = 1_800_000_000;

fn folder() -> PathBuf {
    std::env::var_os("IPVM_UCAN_INTEROP")
        .map(PathBuf::from)
        .expect("IPVM_UCAN_INTEROP is set")
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn bytes(value: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER
        .decode(value.as_str().unwrap().as_bytes())
        .unwrap()
}

fn verdict(versions: Versions, invocation: &[u8], proofs: &[Vec<u8>]) -> Result<(), Refusal> {
    let verifier = Verifier::for_versions(versions);
    let each = proofs.iter().map(|proof| verifier.delegation(proof));
    let proofs = each.collect::<Result<Vec<_>, _>>()?;
    let invocation = verifier.invocation(invocation)?;
    let find = |cid: &Cid| proofs.iter().find(|proof| proof.cid() == *cid).cloned();
    verifier
        .verify(&invocation, &find, &Context::at(NOW))
        .map(|_| ())
}

fn name(verdict: &Result<(), Refusal>) -> String {
    match verdict {
        Ok(()) => "valid".to_owned(),
        Err(refusal) => refusal.kind.to_string(),
    }
}

/// Without it, what the JavaScript implementation signs could be refused here, or what it signs wrongly be taken.
#[test]
#[ignore = "needs tokens made by iso-ucan: .ci/ucan-interop"]
fn their_tokens() {
    let text = std::fs::read_to_string(folder().join("theirs.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let (mut valid, mut refused) = (0, 0);
    for case in &cases {
        let proofs: Vec<_> = case["proofs"]
            .as_array()
            .unwrap()
            .iter()
            .map(bytes)
            .collect();
        let invocation = bytes(&case["invocation"]);
        let found = verdict(Versions::StableAndRc1, &invocation, &proofs);
        println!("{:45} {}", case["name"].as_str().unwrap(), name(&found));
        assert_eq!(
            name(&found),
            case["expected"].as_str().unwrap(),
            "{}: {found:?}",
            case["name"]
        );
        *if found.is_ok() {
            &mut valid
        } else {
            &mut refused
        } += 1;
        // Tokens of the release candidate are read by those only who ask for it.
        let stable = verdict(Versions::Stable, &invocation, &proofs).unwrap_err();
        assert!(
            matches!(stable.kind, Kind::Unsupported | Kind::Malformed),
            "{}: {stable}",
            case["name"]
        );
    }
    assert!(
        valid >= 10 && refused >= 10,
        "{valid} valid, {refused} refused"
    );
}

fn key(algorithm: Algorithm, n: u8) -> Keypair {
    Keypair::from_secret(algorithm, &[n; 32]).unwrap()
}

/// A chain that can be spoiled before it is signed: link i is by key i, for key i + 1; the last key invokes.
struct Chain {
    keys: Vec<Keypair>,
    links: Vec<DelegationPayload>,
    invocation: InvocationPayload,
}

impl Chain {
    fn new(algorithm: Algorithm, depth: usize) -> Self {
        let keys: Vec<_> = (0..=depth).map(|n| key(algorithm, n as u8 + 1)).collect();
        let did = |n: usize| keys[n].did().clone();
        let links = (0..depth).map(|i| DelegationPayload {
            iss: did(i),
            aud: did(i + 1),
            sub: Some(did(0)),
            cmd: "/crud".parse().unwrap(),
            pol: Policy::none(),
            nonce: vec![i as u8; 12],
            meta: None,
            nbf: Some(NOW - 1000),
            exp: Some(NOW + 1000),
        });
        let invocation = InvocationPayload {
            iss: did(depth),
            sub: did(0),
            aud: None,
            cmd: "/crud/read".parse().unwrap(),
            args: args(r#"{"uri":"https://example.com/a","n":3,"to":["bob@example.com"]}"#),
            prf: vec![],
            nonce: vec![1; 12],
            exp: Some(NOW + 500),
            iat: Some(NOW),
            cause: None,
            meta: None,
        };
        Self {
            links: links.collect(),
            invocation,
            keys,
        }
    }

    /// Name, tokens and the verdict here.
    fn case(mut self, name_of_case: &str, forged: Option<usize>) -> Value {
        let signer = |did: &ipvm_ucan::Did| self.keys.iter().find(|key| key.did() == did).unwrap();
        let forge = |bytes: &[u8], at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[20] ^= u8::from(forged == Some(at));
            bytes
        };
        let mut proofs = vec![];
        for (i, link) in self.links.iter().enumerate() {
            let token = Delegation::sign(signer(&link.iss), link.clone()).unwrap();
            let token = Delegation::decode(&forge(token.bytes(), i)).unwrap();
            self.invocation.prf.push(token.cid());
            proofs.push(token.bytes().to_vec());
        }
        let iss = self.invocation.iss.clone();
        let token = Invocation::sign(signer(&iss), self.invocation.clone()).unwrap();
        let invocation = forge(token.bytes(), self.links.len());
        let found = verdict(Versions::Stable, &invocation, &proofs);
        println!("{name_of_case:45} {}", name(&found));
        document!({
            "name": name_of_case,
            "invocation": hex(&invocation),
            "proofs": proofs.iter().map(|proof| hex(proof)).collect::<Vec<_>>(),
            "cids": self.invocation.prf.iter().map(Cid::to_string).collect::<Vec<_>>(),
            "cid": token.cid().to_string(),
            "verdict": name(&found),
        })
    }
}

fn args(text: &str) -> std::collections::BTreeMap<String, Ipld> {
    let Ipld::Map(args) = json::from_str(text, Limits::default()).unwrap() else {
        panic!("args are a map")
    };
    args
}

type Spoil = fn(&mut Chain);

/// Changes to a chain of two, each with the verdict that the specification asks for.
const CHANGES: [(&str, &str, Spoil); 18] = [
    ("an audience", "valid", |c| {
        c.invocation.aud = Some(c.keys[1].did().clone())
    }),
    ("a powerline", "valid", |c| c.links[1].sub = None),
    ("without an end", "valid", |c| {
        c.links
            .iter_mut()
            .for_each(|link| (link.nbf, link.exp) = (None, None));
        (c.invocation.exp, c.invocation.iat) = (None, None)
    }),
    ("facts and a cause", "valid", |c| {
        let cid: Cid = "bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq"
            .parse()
            .unwrap();
        c.invocation.meta = Some(args(r#"{"ü":[1,-2,{"/":{"bytes":"AQ"}}]}"#));
        c.links[0].meta = Some(args(r#"{"note":null}"#));
        c.invocation.cause = Some(cid)
    }),
    ("an empty nonce", "valid", |c| c.invocation.nonce.clear()),
    ("all commands", "valid", |c| {
        c.links[0].cmd = "/".parse().unwrap()
    }),
    ("a wider link", "valid", |c| {
        c.links[1].cmd = "/".parse().unwrap()
    }),
    ("an expired proof", "Expired", |c| {
        c.links[0].exp = Some(NOW - 100)
    }),
    ("an expired invocation", "Expired", |c| {
        c.invocation.exp = Some(NOW - 100)
    }),
    ("a proof that begins later", "TooEarly", |c| {
        c.links[1].nbf = Some(NOW + 100)
    }),
    ("a proof for somebody else", "InvalidAudience", |c| {
        c.links[0].aud = c.keys[2].did().clone()
    }),
    ("about another subject", "InvalidSubject", |c| {
        c.links[1].sub = Some(c.keys[1].did().clone())
    }),
    ("a powerline at the root", "InvalidClaim", |c| {
        c.links[0].sub = None
    }),
    ("a root by somebody else", "InvalidClaim", |c| {
        c.links[0].iss = c.keys[1].did().clone()
    }),
    ("another command", "InvalidClaim", |c| {
        c.invocation.cmd = "/msg/send".parse().unwrap()
    }),
    ("a command that only begins alike", "InvalidClaim", |c| {
        c.invocation.cmd = "/crudx".parse().unwrap()
    }),
    ("no proofs", "InvalidClaim", |c| c.links.clear()),
    ("a missing proof", "UnavailableProof", |c| {
        let cid: Cid = "bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq"
            .parse()
            .unwrap();
        c.invocation.prf.push(cid)
    }),
];

/// A policy on the second link and the args, with whether it is met.
const POLICIES: [(&str, &str, bool); 24] = [
    (r#".uri == "x""#, r#"{"uri":"x"}"#, true),
    (r#".uri == "x""#, r#"{"uri":"y"}"#, false),
    (r#".uri != "x""#, r#"{"uri":"y"}"#, true),
    (".missing != 1", "{}", false),
    (".a.b[0] == 1", r#"{"a":{"b":[1]}}"#, true),
    (".n > 2 and .n <= 3", r#"{"n":3}"#, true),
    (".n < 3", r#"{"n":3}"#, false),
    (".n < 3", r#"{"n":"2"}"#, false),
    (r#".s like "a*c""#, r#"{"s":"abbc"}"#, true),
    (r#".s like "a*c""#, r#"{"s":"abbcd"}"#, false),
    (r#".s like "a\\*c""#, r#"{"s":"abc"}"#, false),
    (r#".s like "a*c""#, r#"{"s":"a\nc"}"#, true),
    (
        r#"all .to: . like "*@a.b""#,
        r#"{"to":["x@a.b","y@a.b"]}"#,
        true,
    ),
    (
        r#"all .to: . like "*@a.b""#,
        r#"{"to":["x@a.b","y@c.d"]}"#,
        false,
    ),
    (
        r#"any .to: . like "*@a.b""#,
        r#"{"to":["x@c.d","y@a.b"]}"#,
        true,
    ),
    ("not .a == 1 or .b == 2", r#"{"a":1,"b":3}"#, false),
    (".missing? == null", "{}", true),
    (r#".["a b"] == 1"#, r#"{"a b":1}"#, true),
    (r#".["a b"]? != 1"#, r#"{"a b":1}"#, false),
    (
        r#".b[1:] == {"/":{"bytes":"Ag"}}"#,
        r#"{"b":{"/":{"bytes":"AQI"}}}"#,
        true,
    ),
    ("any .a: any .: . == 3", r#"{"a":[[1],[2,3]]}"#, true),
    ("all .a: any .: . == 1", r#"{"a":[[1],[2]]}"#, false),
    (".n > 9007199254740992", r#"{"n":9007199254740993}"#, true),
    (".n == 1.5", r#"{"n":2.0}"#, false),
];

/// Without it, what is signed here could be refused by the JavaScript implementation.
#[test]
#[ignore = "writes tokens for iso-ucan: .ci/ucan-interop"]
fn our_tokens() {
    let mut cases = vec![];
    let mut add = |chain: Chain, name: &str, forged: Option<usize>, expected: &str| {
        let case = chain.case(name, forged);
        assert_eq!(case["verdict"], expected, "{name}");
        cases.push(case);
    };
    for algorithm in Algorithm::ALL {
        for depth in [0, 1, 2, 8] {
            let name = format!("{algorithm}, {depth} proofs");
            add(Chain::new(algorithm, depth), &name, None, "valid");
            let forged = format!("{name}, the invocation forged");
            add(
                Chain::new(algorithm, depth),
                &forged,
                Some(depth),
                "InvalidSignature",
            );
            if depth > 0 {
                let forged = format!("{name}, a proof forged");
                add(
                    Chain::new(algorithm, depth),
                    &forged,
                    Some(depth / 2),
                    "InvalidSignature",
                );
            }
        }
    }
    for (name, expected, spoil) in CHANGES {
        let mut chain = Chain::new(Algorithm::Ed25519, 2);
        spoil(&mut chain);
        add(chain, name, None, expected);
    }
    for (policy, values, met) in POLICIES {
        let mut chain = Chain::new(Algorithm::Ed25519, 2);
        chain.links[1].pol = policy.parse().unwrap();
        chain.invocation.args = args(values);
        let expected = if met { "valid" } else { "MatchError" };
        add(chain, &format!("{policy} of {values}"), None, expected);
    }
    // The same value with a fraction: an implementation that cannot tell 1 and 1.0 apart loses the bytes.
    let mut chain = Chain::new(Algorithm::Ed25519, 1);
    chain.invocation.args = args(r#"{"n":1.5}"#);
    add(chain, "a float", None, "valid");
    let mut chain = Chain::new(Algorithm::Ed25519, 1);
    chain.invocation.args = args(r#"{"n":2.0}"#);
    add(chain, "a float without a fraction", None, "valid");
    let text = serde_json::to_string_pretty(&cases).unwrap();
    std::fs::write(folder().join("ours.json"), text).unwrap();
}
