//! Rights from a `did:web`, whose keys stand in a document that the user gives. Without these, an organisation with a
//! name on the web could give nobody a right, or could not take a stolen key out of use.

use ipvm_ipld::{Ipld, cbor, json};
use ipvm_ucan::{
    Container, Delegation, DelegationBuilder, Encoding, Invocation, InvocationBuilder, Keypair,
    Outcome, Receipt, ReceiptMeta, ReceiptPayload,
};

use crate::parties::{Party, call};

const SITE: &str = "did:web:example.com";
const DAY: i64 = 24 * 60 * 60;

/// Its site gives a principal the right to `/mail`, signed with a key.
fn right(key: &Keypair, to: &str) -> Vec<u8> {
    let cmd = "/mail".parse().unwrap();
    let builder = DelegationBuilder::new(key, &to.parse().unwrap(), cmd);
    let token = builder.never_expires().sign([7; 12]).unwrap();
    let bytes = of_site(key, token.bytes());
    assert_eq!(
        Delegation::decode(&bytes).unwrap().payload().iss.as_str(),
        SITE
    );
    bytes
}

/// The same token by its site instead of the key alone.
fn of_site(key: &Keypair, token: &[u8]) -> Vec<u8> {
    let value = cbor::decode(token, Default::default()).unwrap();
    let text = json::to_string(&value).replace(key.did().as_str(), SITE);
    let mut value = json::from_str(&text, Default::default()).unwrap();
    let Ipld::List(parts) = &mut value else {
        panic!()
    };
    let signature = key.sign(&cbor::encode(&parts[1]).unwrap());
    parts[0] = Ipld::Bytes(signature.to_vec());
    cbor::encode(&value).unwrap()
}

fn document(did: &str, key: &Keypair) -> String {
    let multikey = key.did().as_str().strip_prefix("did:key:").unwrap();
    format!(
        r##"{{"@context":["https://www.w3.org/ns/did/v1"],"id":"{did}","verificationMethod":[{{"id":"{did}#one",
        "type":"Multikey","controller":"{did}","publicKeyMultibase":"{multikey}"}}],"capabilityDelegation":["#one"],
        "capabilityInvocation":["#one"]}}"##
    )
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs() as i64
}

fn state(party: &Party) -> (String, bool) {
    let held = party.home.json(&["ucan", "list", "--json"]);
    let held = held.as_array().unwrap().iter();
    let of_site: Vec<_> = held.filter(|held| held["iss"] == SITE).collect();
    assert_eq!(of_site.len(), 1, "{of_site:?}");
    let state = of_site[0]["state"].as_str().unwrap().to_owned();
    (state, of_site[0]["signature"].as_bool().unwrap())
}

#[test]
fn a_right_from_the_web_counts_as_long_as_its_document_does() {
    let [bob, carol] = [Party::new(), Party::new()];
    let (key, next) = (Keypair::from_seed(&[41; 32]), Keypair::from_seed(&[42; 32]));
    for party in [&bob, &carol] {
        party.home.file("did.json", document(SITE, &key));
        party.home.file("next.json", document(SITE, &next));
    }
    bob.home.file("right.ucan", right(&key, &bob.owner));

    // Not without the document, nor with that of somebody else or of other keys; nothing is kept then.
    bob.home
        .run(&["ucan", "import", "right.ucan"])
        .code(3)
        .says("UnavailableKey")
        .says("fetch https://example.com/.well-known/did.json")
        .says("--did-document FILE");
    let other = document("did:web:example.org", &key);
    bob.home.file("other.json", other);
    let import = |document| {
        bob.home
            .run(&["ucan", "import", "right.ucan", "--did-document", document])
    };
    import("other.json").code(3).says("UnavailableKey");
    import("next.json").code(3).says("InvalidSignature");
    bob.home
        .file("key.json", document(bob.owner.as_str(), &key));
    import("key.json")
        .code(2)
        .says("only a did:web has a document");
    bob.home.file("none.json", "<html>404</html>");
    import("none.json").code(2).says("a DID document is JSON");
    assert_eq!(
        bob.home
            .json(&["ucan", "list", "--json"])
            .as_array()
            .unwrap()
            .len(),
        0
    );
    bob.home
        .run(&["ucan", "import", "right.ucan"])
        .code(3)
        .says("UnavailableKey");

    let taken = import("did.json").code(0).says("count until").text();
    assert_eq!(taken, "1 delegation, 1 DID document");
    assert_eq!(state(&bob), ("valid".to_owned(), true));

    // Used and verified without the network, and without saying it again.
    bob.home.ok(&[
        "ucan",
        "invoke",
        "/mail/send",
        "--sub",
        SITE,
        "--args",
        "{}",
        "--expires",
        "never",
        "-o",
        "mail.ucan",
    ]);
    let verify = |party: &Party, more: &[&str]| {
        let words = [&["ucan", "verify", "mail.ucan"], more].concat();
        party.home.run(&words)
    };
    let verdict = verify(&bob, &[]).code(0).text();
    assert!(verdict.contains(SITE), "{verdict}");
    bob.gives(&carol, "mail.ucan");
    let refused = verify(&carol, &[]).code(3).text();
    assert!(refused.contains("UnavailableKey"), "{refused}");
    verify(&carol, &["--did-document", "did.json"]).code(0);
    let refused = verify(&carol, &["--did-document", "next.json"])
        .code(3)
        .text();
    assert!(refused.contains("InvalidSignature"), "{refused}");
    // That was for one verdict.
    verify(&carol, &[]).code(3);

    // It counts for 30 days, and then again when it is given again.
    let at = |days: i64| (now() + days * DAY).to_string();
    verify(&bob, &["--at", &at(29)]).code(0);
    let refused = verify(&bob, &["--at", &at(31)]).code(3).text();
    assert!(refused.contains("UnavailableKey"), "{refused}");
    assert!(refused.contains("again"), "{refused}");
    verify(&bob, &["--at", &at(31), "--did-document", "did.json"]).code(0);

    // The home is sound with it, and can be moved.
    bob.home.ok(&["store", "verify"]);
    bob.home.ok(&["home", "export", "whole.tar"]);
    let moved = crate::home::Home::new();
    moved.file("whole.tar", bob.home.read("whole.tar"));
    moved.file("mail.ucan", bob.home.read("mail.ucan"));
    moved.ok(&["home", "import", "whole.tar"]);
    moved.ok(&["ucan", "verify", "mail.ucan"]);

    // The site changes its keys: what the old one signed is over.
    let taken = bob
        .home
        .ok(&["ucan", "import", "--did-document", "next.json"]);
    assert_eq!(taken, "1 DID document");
    assert!(!state(&bob).1);
    let refused = verify(&bob, &[]).code(3).text();
    assert!(refused.contains("InvalidSignature"), "{refused}");
    bob.home.ok(&["store", "verify"]);
}

/// Breaks: a machine that its organisation names on the web could compute for nobody, or a stolen key of it could go on to.
#[test]
fn a_receipt_by_an_executor_on_the_web_counts_with_the_keys_of_its_time() {
    let bob = Party::new();
    let (key, next) = (Keypair::from_seed(&[41; 32]), Keypair::from_seed(&[42; 32]));
    bob.home.file("did.json", document(SITE, &key));
    bob.home.file("next.json", document(SITE, &next));
    let module = bob.has_calc();
    let args = call(&module, "add", "[2, 3]");
    let ask = [
        "ucan",
        "invoke",
        "/wasm/run",
        "--audience",
        SITE,
        "--args",
        &args,
    ];
    bob.home.ok(&[&ask[..], &["-o", "asked.ucan"]].concat());
    let asked = Container::decode(&bob.home.read("asked.ucan")).unwrap();
    let invocation = asked
        .iter()
        .find_map(|one| Invocation::decode(one).ok())
        .unwrap();
    let receipt = Receipt::sign(
        &key,
        ReceiptPayload {
            ran: invocation.payload().task().unwrap(),
            out: Outcome::Ok(Ipld::Integer(5)),
            run: None,
            meta: ReceiptMeta {
                inv: invocation.cid(),
                computation: None,
                memo: None,
                log: None,
                engine: "theirs".to_owned(),
                fuel: 1,
                started: now(),
                took: 1,
            },
        },
    );
    let receipt = Receipt::decode(&of_site(&key, receipt.unwrap().bytes())).unwrap();
    assert_eq!(receipt.executor().as_str(), SITE);
    let mut answer = asked;
    answer.insert(receipt.bytes().to_vec());
    bob.home
        .file("answer.ucan", answer.encode(Encoding::Raw).unwrap());

    let import = |more: &[&str]| {
        bob.home
            .run(&[&["ucan", "import", "answer.ucan"], more].concat())
    };
    import(&[])
        .code(3)
        .says("UnavailableKey")
        .says("--did-document FILE");
    import(&["--did-document", "next.json"])
        .code(3)
        .says("InvalidSignature");
    let taken = import(&["--did-document", "did.json", "--json"]).code(0);
    let taken: serde_json::Value = serde_json::from_slice(&taken.out).unwrap();
    assert_eq!(
        (&taken["receipts"], &taken["accepted"]),
        (&1.into(), &1.into())
    );
    // It is the answer to the task that was asked for.
    let task = receipt.payload().ran;
    let text = format!(
        "ipvm: \"0.2\"\nname: w\ntasks:\n  more: {{ mod: ./calc.wasm, fun: add, args: [{{await: {task}}}, 10] }}\n"
    );
    bob.home.file("w.yaml", text);
    assert_eq!(bob.home.ok(&["run", "w.yaml"]), "more\t15");
    let cid = receipt.cid().to_string();
    let verified = bob.home.ok(&["receipt", "verify", &cid]);
    assert!(verified.contains("signature   right\n"), "{verified}");
    let shown = bob.home.ok(&["inspect", &cid]);
    assert!(shown.contains("right") && shown.contains(SITE), "{shown}");

    // The site changes its keys: what was taken in stays, and nothing new by the old one is.
    bob.home
        .ok(&["ucan", "import", "--did-document", "next.json"]);
    import(&[]).code(3).says("InvalidSignature");
    let verified = bob.home.ok(&["receipt", "verify", &cid]);
    assert!(verified.contains("right when it came"), "{verified}");
    bob.home.ok(&["store", "verify"]);
    bob.home.ok(&["run", "--again", "w.yaml"]);
}

/// Breaks: what an organisation asks for by its name on the web could be done for nobody.
#[test]
fn a_request_from_the_web_is_done_with_its_document() {
    let alice = Party::new();
    let key = Keypair::from_seed(&[41; 32]);
    let module = alice.has_calc();
    alice.home.ok(&["store", "pin", "--public", &module]);
    alice.home.file("did.json", document(SITE, &key));
    let give = [
        "ucan",
        "delegate",
        "--to",
        SITE,
        "--cmd",
        "/wasm/run",
        "-o",
        "site.ucan",
    ];
    alice.home.ok(&give);
    let given = Container::decode(&alice.home.read("site.ucan")).unwrap();
    let right = given
        .iter()
        .find_map(|one| Delegation::decode(one).ok())
        .unwrap();
    let args = json::from_str(&call(&module, "add", "[2, 3]"), Default::default()).unwrap();
    let Ipld::Map(args) = args else { panic!() };
    // A stand-in right for the key, for the builder; the site's own takes its place.
    let cmd: ipvm_ucan::Command = "/wasm/run".parse().unwrap();
    let agent = alice.secret("agent.key");
    let for_key = DelegationBuilder::new(&agent, key.did(), cmd.clone()).never_expires();
    let for_key = for_key.sign([1; 12]).unwrap();
    let request = InvocationBuilder::new(&key, cmd)
        .with_proofs(std::slice::from_ref(&for_key))
        .args(args)
        .expires(now() + 60)
        .sign([])
        .unwrap();
    let value = cbor::decode(request.bytes(), Default::default()).unwrap();
    let text =
        json::to_string(&value).replace(&for_key.cid().to_string(), &right.cid().to_string());
    let value = json::from_str(&text, Default::default()).unwrap();
    let request = of_site(&key, &cbor::encode(&value).unwrap());
    let mut container = Container::new();
    container.insert(right.bytes().to_vec());
    container.insert(request);
    alice
        .home
        .file("request.ucan", container.encode(Encoding::Raw).unwrap());
    let (kind, message) = alice.refuses("request.ucan");
    assert_eq!(kind, "UnavailableKey", "{message}");
    let execute = [
        "ucan",
        "execute",
        "request.ucan",
        "--did-document",
        "did.json",
    ];
    let done = alice
        .home
        .json(&[&execute[..], &["-o", "answer.ucan", "--json"]].concat());
    assert_eq!(done["receipts"][0]["out"]["ok"], 5);
    let receipt = done["receipts"][0]["receipt"].as_str().unwrap();
    alice.home.ok(&["receipt", "verify", receipt]);
    alice.home.ok(&["store", "verify"]);
}
