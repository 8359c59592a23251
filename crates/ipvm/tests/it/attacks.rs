//! A hostile delegate with tools of its own: every attempt at more than was given is refused by name, and leaves nothing
//! behind. Without these: whoever is lent a little could take the rest.

use std::collections::BTreeMap;

use ipvm_ipld::{Ipld, Limits, json};
use ipvm_ucan::{
    Container, Delegation, DelegationPayload, Did, Encoding, Invocation, InvocationPayload,
    Keypair, Policy,
};

use crate::parties::{Party, call};

pub(crate) const NOW: fn() -> i64 = || {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
};

/// Alice lends her machine; Mallory is a delegate.
pub(crate) struct Scene {
    pub(crate) alice: Party,
    pub(crate) machine: Did,
    pub(crate) agent: Keypair,
    pub(crate) mallory: Keypair,
    pub(crate) friend: Keypair,
    pub(crate) module: String,
}

/// What a delegation says, to be bent.
pub(crate) struct Link<'a> {
    pub(crate) from: &'a Keypair,
    pub(crate) to: &'a Keypair,
    pub(crate) sub: Option<Did>,
    pub(crate) cmd: &'a str,
    pub(crate) pol: &'a str,
    pub(crate) exp: Option<i64>,
}

impl Link<'_> {
    /// Signs whatever it is.
    pub(crate) fn sign(&self) -> Delegation {
        let payload = DelegationPayload {
            iss: self.from.did().clone(),
            aud: self.to.did().clone(),
            sub: self.sub.clone(),
            cmd: self.cmd.parse().unwrap(),
            pol: self.pol.parse::<Policy>().unwrap(),
            nonce: b"0123456789ab".to_vec(),
            meta: None,
            nbf: None,
            exp: self.exp,
        };
        Delegation::sign(self.from, payload).unwrap()
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        let alice = Party::new();
        let module = alice.has_calc();
        alice.home.ok(&["store", "pin", "--public", &module]);
        Self {
            machine: alice.agent.parse().unwrap(),
            agent: alice.secret("agent.key"),
            mallory: Keypair::from_seed(&[66; 32]),
            friend: Keypair::from_seed(&[67; 32]),
            alice,
            module,
        }
    }

    /// A right to Alice's machine for Mallory.
    pub(crate) fn right(&self, cmd: &str, pol: &str) -> Delegation {
        Link {
            from: &self.agent,
            to: &self.mallory,
            sub: Some(self.machine.clone()),
            cmd,
            pol,
            exp: Some(NOW() + 3600),
        }
        .sign()
    }

    pub(crate) fn args(&self, function: &str, args: &str) -> BTreeMap<String, Ipld> {
        let text = call(&self.module, function, args);
        match json::from_str(&text, Limits::default()).unwrap() {
            Ipld::Map(map) => map,
            other => panic!("{other:?}"),
        }
    }

    /// An invocation with whatever proofs; bent by `bend`.
    pub(crate) fn request(
        &self,
        by: &Keypair,
        chain: &[Delegation],
        args: BTreeMap<String, Ipld>,
        bend: impl FnOnce(&mut InvocationPayload),
    ) -> Vec<u8> {
        let mut payload = InvocationPayload {
            iss: by.did().clone(),
            sub: self.machine.clone(),
            aud: None,
            cmd: "/wasm/run".parse().unwrap(),
            args,
            prf: chain.iter().map(Delegation::cid).collect(),
            nonce: vec![],
            exp: Some(NOW() + 3600),
            iat: None,
            cause: None,
            meta: None,
        };
        bend(&mut payload);
        let invocation = Invocation::sign(by, payload).unwrap();
        let mut container = Container::new();
        container.insert(invocation.bytes().to_vec());
        for link in chain {
            container.insert(link.bytes().to_vec());
        }
        container.encode(Encoding::Raw).unwrap()
    }

    pub(crate) fn refused(&self, request: &[u8], kind: &str, says: &str) {
        self.alice.home.file("request.ucan", request);
        let (found, message) = self.alice.refuses("request.ucan");
        assert_eq!(found, kind, "{message}");
        assert!(message.contains(says), "{says:?} in {message:?}");
    }

    pub(crate) fn done(&self, request: &[u8]) -> serde_json::Value {
        self.alice.home.file("request.ucan", request);
        self.alice.executes("request.ucan", "answer.ucan")
    }
}

/// What is honest works: else the refusals below would prove nothing.
#[test]
fn the_honest_request_is_done() {
    let scene = Scene::new();
    let right = scene.right("/wasm/run", ".args[0] <= 10");
    let request = scene.request(
        &scene.mallory,
        &[right],
        scene.args("add", "[2, 3]"),
        |_| (),
    );
    assert_eq!(scene.done(&request)["receipts"][0]["out"]["ok"], 5);
}

#[test]
fn more_than_was_given_is_refused_by_name() {
    let scene = Scene::new();
    let right = scene.right("/wasm/run", ".args[0] <= 10 and .fun == \"add\"");
    let chain = std::slice::from_ref(&right);
    let (mallory, friend) = (&scene.mallory, &scene.friend);
    let fine = || scene.args("add", "[2, 3]");
    let refused = |request: Vec<u8>, kind: &str, says: &str| scene.refused(&request, kind, says);

    // A wider command.
    let wider =
        |invocation: &mut InvocationPayload| invocation.cmd = "/workflow/run".parse().unwrap();
    refused(
        scene.request(mallory, chain, fine(), wider),
        "InvalidClaim",
        "does not cover /workflow/run",
    );
    // Another subject: Alice herself.
    let owner: Did = scene.alice.owner.parse().unwrap();
    let other = |invocation: &mut InvocationPayload| {
        invocation.sub = owner.clone();
        invocation.aud = Some(scene.machine.clone());
    };
    refused(
        scene.request(mallory, chain, fine(), other),
        "InvalidSubject",
        "is about",
    );
    // Arguments that the policy forbids.
    refused(
        scene.request(mallory, chain, scene.args("add", "[11, 3]"), |_| ()),
        "MatchError",
        "args[0] <= 10",
    );
    refused(
        scene.request(mallory, chain, scene.args("halve", "[4]"), |_| ()),
        "MatchError",
        "fun",
    );
    // A loosened policy: passed on without it.
    let link = |from, to, exp| Link {
        from,
        to,
        sub: Some(scene.machine.clone()),
        cmd: "/wasm/run",
        pol: "",
        exp,
    };
    let loosened = [right.clone(), link(mallory, friend, None).sign()];
    refused(
        scene.request(friend, &loosened, scene.args("halve", "[4]"), |_| ()),
        "MatchError",
        "delegation 0",
    );
    // A longer life than the one it came from.
    let over = Link {
        exp: Some(NOW() - 3600),
        pol: "",
        ..link(&scene.agent, mallory, None)
    }
    .sign();
    let longer = [over, link(mallory, friend, None).sign()];
    refused(
        scene.request(friend, &longer, fine(), |_| ()),
        "Expired",
        "delegation 0",
    );
    let late = |invocation: &mut InvocationPayload| invocation.exp = Some(NOW() - 3600);
    refused(
        scene.request(mallory, chain, fine(), late),
        "Expired",
        "the invocation",
    );
    // A powerline at the root: everything of everybody.
    let powerline = Link {
        sub: None,
        ..link(mallory, friend, None)
    }
    .sign();
    refused(
        scene.request(friend, &[powerline], fine(), |_| ()),
        "InvalidClaim",
        "the root delegation",
    );
    // A root that the subject did not sign.
    let own_root = link(mallory, friend, None).sign();
    refused(
        scene.request(friend, &[own_root], fine(), |_| ()),
        "InvalidClaim",
        "not by the subject",
    );
    // Somebody else's right.
    refused(
        scene.request(friend, chain, fine(), |_| ()),
        "InvalidAudience",
        "uses it",
    );
    // No right at all, on own behalf: the machine is Alice's.
    let own = |invocation: &mut InvocationPayload| {
        invocation.sub = friend.did().clone();
        invocation.aud = Some(scene.machine.clone());
    };
    refused(
        scene.request(friend, &[], fine(), own),
        "InvalidClaim",
        "the right to use this machine",
    );
    // A request for another machine, carried here.
    let elsewhere =
        |invocation: &mut InvocationPayload| invocation.aud = Some(friend.did().clone());
    refused(
        scene.request(mallory, chain, fine(), elsewhere),
        "InvalidAudience",
        "is for",
    );
    // A changed byte in what is asked for.
    let request = scene.request(mallory, chain, fine(), |_| ());
    let mut changed = Container::new();
    for token in Container::decode(&request).unwrap().iter() {
        let mut token = token.to_vec();
        if Invocation::decode(&token).is_ok() {
            let at = token.windows(3).position(|bytes| bytes == b"add").unwrap();
            token[at] = b'o';
        }
        changed.insert(token);
    }
    let changed = changed.encode(Encoding::Raw).unwrap();
    refused(changed, "InvalidSignature", "signature");
    // Neither a container nor a token.
    refused(b"not tokens".to_vec(), "Malformed", "");
}

/// `/wasm` covers `/wasm/run` and not `/wasmx`: by whole segments.
#[test]
fn a_command_that_only_looks_like_it_is_not_covered() {
    let scene = Scene::new();
    let right = scene.right("/wasm", "");
    let like = |invocation: &mut InvocationPayload| {
        invocation.cmd = "/wasmx/run".parse().unwrap();
        invocation.aud = None;
    };
    let request = scene.request(
        &scene.mallory,
        std::slice::from_ref(&right),
        scene.args("add", "[1, 2]"),
        like,
    );
    scene.refused(&request, "InvalidClaim", "does not cover /wasmx/run");
    let request = scene.request(
        &scene.mallory,
        &[right],
        scene.args("add", "[1, 2]"),
        |_| (),
    );
    assert_eq!(scene.done(&request)["receipts"][0]["out"]["ok"], 3);
}

/// A promise cannot bring in what a policy forbids: it is checked again when the value is there.
#[test]
fn a_promise_smuggles_nothing_past_a_policy() {
    let scene = Scene::new();
    let right = scene.right("/wasm/run", ".args[0] <= 10");
    let chain = [right];
    // 100, honestly made.
    let request = scene.request(&scene.mallory, &chain, scene.args("add", "[5, 95]"), |_| ());
    let done = scene.done(&request);
    let task = done["receipts"][0]["task"].as_str().unwrap();
    let awaiting = scene.args("add", &format!(r#"[{{"await/ok": {{"/": "{task}"}}}}, 1]"#));
    let request = scene.request(&scene.mallory, &chain, awaiting, |_| ());
    scene.refused(&request, "MatchError", "with promises resolved");
    // One that it allows.
    let request = scene.request(&scene.mallory, &chain, scene.args("add", "[3, 4]"), |_| ());
    let done = scene.done(&request);
    let task = done["receipts"][0]["task"].as_str().unwrap();
    let awaiting = scene.args("add", &format!(r#"[{{"await/ok": {{"/": "{task}"}}}}, 1]"#));
    let request = scene.request(&scene.mallory, &chain, awaiting, |_| ());
    assert_eq!(scene.done(&request)["receipts"][0]["out"]["ok"], 8);
}

/// Proofs count for the request that they came with, and for no other: this home is nobody's deputy.
#[test]
fn proofs_of_another_request_do_not_count() {
    let scene = Scene::new();
    let right = scene.right("/wasm/run", "");
    let chain = std::slice::from_ref(&right);
    let request = scene.request(&scene.mallory, chain, scene.args("add", "[2, 3]"), |_| ());
    assert_eq!(scene.done(&request)["status"], "ok");
    // The same right is known here now, in two ways; but it did not come along.
    let bare = Container::decode(&request).unwrap().tokens().unwrap();
    let bare = bare.iter().find_map(|token| match token {
        ipvm_ucan::Token::Invocation(invocation) => Some(invocation.bytes().to_vec()),
        ipvm_ucan::Token::Delegation(_) => None,
    });
    scene.refused(&bare.unwrap(), "UnavailableProof", "is not available");
    scene.alice.home.file("right.ucan", right.bytes());
    scene.alice.home.ok(&["ucan", "import", "right.ucan"]);
    let other = |invocation: &mut InvocationPayload| invocation.prf = vec![right.cid()];
    let request = scene.request(&scene.mallory, &[], scene.args("add", "[2, 4]"), other);
    scene.refused(&request, "UnavailableProof", "is not available");
}

/// A task is done once, whatever invocation asks for it, and whenever.
#[test]
fn a_replay_gives_the_receipt_that_is_there() {
    let scene = Scene::new();
    let right = scene.right("/wasm/run", "");
    let chain = std::slice::from_ref(&right);
    let args = || scene.args("add", "[2, 3]");
    let first = scene.done(&scene.request(&scene.mallory, chain, args(), |_| ()));
    assert_eq!(first["memo"], false);
    // Another invocation of the same task.
    let later = |invocation: &mut InvocationPayload| invocation.exp = Some(NOW() + 7200);
    let again = scene.done(&scene.request(&scene.mallory, chain, args(), later));
    assert_eq!(
        (&again["memo"], &again["receipts"]),
        (&true.into(), &first["receipts"])
    );
    let runs = scene.alice.home.json(&["workflow", "list", "--json"]);
    assert_eq!(runs.as_array().unwrap().len(), 1);
}

/// A receipt that another signed in Alice's name is not taken in.
#[test]
fn a_forged_receipt_is_refused() {
    let scene = Scene::new();
    let bob = Party::new();
    let right = scene.right("/wasm/run", "");
    let request = scene.request(
        &scene.mallory,
        &[right],
        scene.args("add", "[2, 3]"),
        |_| (),
    );
    scene.done(&request);
    let mut answer = scene.alice.home.read("answer.ucan");
    // The result, 5 under `ok`, becomes 6.
    let at = answer
        .windows(4)
        .position(|bytes| bytes == b"\x62ok\x05")
        .unwrap();
    answer[at + 3] = 6;
    let resorted = Container::decode_unsorted(&answer).unwrap();
    bob.home
        .file("forged.ucan", resorted.encode(Encoding::Raw).unwrap());
    bob.home
        .run(&["ucan", "import", "forged.ucan"])
        .code(3)
        .says("InvalidSignature");
    assert!(
        bob.home
            .json(&["receipt", "list", "--json"])
            .as_array()
            .unwrap()
            .is_empty()
    );
    // The true one, without the invocation it answers.
    let answer = scene.alice.home.read("answer.ucan");
    let tokens = Container::decode(&answer).unwrap();
    let alone = tokens
        .iter()
        .find(|token| ipvm_ucan::Receipt::decode(token).is_ok());
    bob.home.file("alone.ucan", alone.unwrap());
    bob.home
        .run(&["ucan", "import", "alone.ucan"])
        .code(3)
        .says("UnavailableProof");
}
