//! Rights from a `did:web`, whose keys stand in a document that the user gives. Without these, an organisation with a
//! name on the web could give nobody a right, or could not take a stolen key out of use.

use ipvm_ipld::{Ipld, cbor, json};
use ipvm_ucan::{Delegation, DelegationBuilder, Keypair};

use crate::parties::Party;

const SITE: &str = "did:web:example.com";
const DAY: i64 = 24 * 60 * 60;

/// Its site gives a principal the right to `/mail`, signed with a key.
fn right(key: &Keypair, to: &str) -> Vec<u8> {
    let cmd = "/mail".parse().unwrap();
    let builder = DelegationBuilder::new(key, &to.parse().unwrap(), cmd);
    let token = builder.never_expires().sign([7; 12]).unwrap();
    let value = cbor::decode(token.bytes(), Default::default()).unwrap();
    let text = json::to_string(&value).replace(key.did().as_str(), SITE);
    let mut value = json::from_str(&text, Default::default()).unwrap();
    let Ipld::List(parts) = &mut value else {
        panic!()
    };
    let signature = key.sign(&cbor::encode(&parts[1]).unwrap());
    parts[0] = Ipld::Bytes(signature.to_vec());
    let bytes = cbor::encode(&value).unwrap();
    assert_eq!(
        Delegation::decode(&bytes).unwrap().payload().iss.as_str(),
        SITE
    );
    bytes
}

fn document(did: &str, key: &Keypair) -> String {
    let multikey = key.did().as_str().strip_prefix("did:key:").unwrap();
    format!(
        r##"{{"@context":["https://www.w3.org/ns/did/v1"],"id":"{did}","verificationMethod":[{{"id":"{did}#one",
        "type":"Multikey","controller":"{did}","publicKeyMultibase":"{multikey}"}}],"capabilityDelegation":["#one"]}}"##
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
