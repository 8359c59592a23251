//! Principals as a person meets them: by the names the user gave, wherever one is read; scripts get DIDs. Without these,
//! people would compare strings of 56 letters, and not do it.

use crate::parties::{Party, call};
use crate::sharing::{ask, bob_may_add};

/// Text with names and without the DID; JSON with the DID.
fn named(at: &Party, args: &[&str], name: &str, did: &str) -> String {
    let text = at.home.run(args).code(0).text();
    assert!(text.contains(name), "{args:?} has no {name:?}:\n{text}");
    let json = at.home.ok(&[args, &["--json"]].concat());
    assert!(json.contains(did), "{args:?} --json has no {did}:\n{json}");
    assert!(!json.contains(name), "{args:?} --json has a name:\n{json}");
    text
}

#[test]
fn names_are_shown_wherever_a_principal_is_read() {
    let ([alice, bob, _], module) = bob_may_add();
    ask(&bob, &alice, &call(&module, "add", "[2, 3]"), "two.ucan");
    let done = alice.executes("two.ucan", "answer.ucan");
    let text = |key: &str| done["receipts"][0][key].as_str().unwrap().to_owned();
    let (receipt, task) = (text("receipt"), text("task"));
    alice.gives(&bob, "answer.ucan");
    bob.home.ok(&["ucan", "import", "answer.ucan"]);
    let machine = &alice.agent;

    let whole = format!("alice-machine ({machine})");
    named(&bob, &["receipt", "show", &receipt], &whole, machine);
    let list = named(&bob, &["receipt", "list"], "alice-machine", machine);
    assert!(!list.contains("did:"), "{list}");
    let trace = named(
        &bob,
        &["receipt", "trace", &receipt],
        "by alice-machine",
        machine,
    );
    assert!(!trace.contains("did:"), "{trace}");
    let seen = bob.home.ok(&["inspect", &receipt]);
    assert!(seen.contains(&whole), "{seen}");
    let seen = bob.home.ok(&["inspect", &task]);
    assert!(seen.contains(&whole), "{seen}");
    let own = bob.home.ok(&["receipt", "show", &receipt, "--json"]);
    assert!(own.contains(machine), "{own}");

    // The request and the delegation behind it.
    let container = ipvm_ucan::Container::decode(&bob.home.read("two.ucan")).unwrap();
    assert_eq!(container.iter().count(), 2);
    for bytes in container.iter() {
        bob.home.file("token", bytes);
        let seen = bob.home.ok(&["inspect", "token"]);
        let owner = format!("owner ({})", bob.owner);
        assert!(seen.contains(&whole) && seen.contains(&owner), "{seen}");
    }
    bob.has_calc();
    bob.home.file(
        "own.yaml",
        "ipvm: \"0.2\"\nname: own\ntasks:\n  sum: { mod: ./calc.wasm, fun: add, args: [1, 2] }\n",
    );
    let seen = bob.home.ok(&["inspect", "own.yaml"]);
    assert!(seen.contains(&format!("owner ({})", bob.owner)), "{seen}");
    bob.home.ok(&["run", "own.yaml"]);
    let list = bob.home.ok(&["receipt", "list"]);
    assert!(list.contains("agent") && !list.contains("did:"), "{list}");
}

#[test]
fn refusals_and_keys_are_told_with_names() {
    let ([alice, bob, carol], module) = bob_may_add();
    ask(&bob, &alice, &call(&module, "add", "[2, 3]"), "two.ucan");
    // Addressed to Alice's machine: not to Bob's friend.
    let wrong = ["ucan", "verify", "two.ucan", "--audience", "carol"];
    let told = bob.home.run(&wrong).code(3).text();
    assert!(told.contains("carol") && !told.contains("did:"), "{told}");
    let json = bob.home.run(&[&wrong[..], &["--json"]].concat()).code(3);
    assert!(json.text().contains(&carol.owner));

    // Errors too.
    let refused = carol.home.run(&[
        "ucan",
        "invoke",
        "/wasm/run",
        "--sub",
        "alice-machine",
        "--args",
        &call(&module, "add", "[1, 1]"),
    ]);
    let refused = refused.code(3);
    assert!(refused.err.contains("alice-machine"), "{}", refused.err);
    assert!(!refused.err.contains("did:"), "{}", refused.err);

    bob.home.ok(&["name", "add", "laptop", "agent"]);
    let keys = named(&bob, &["key", "list"], "you call it laptop", &bob.agent);
    assert!(keys.contains(&bob.agent), "{keys}");
    bob.home.ok(&["key", "rotate", "agent"]);
    let container = ipvm_ucan::Container::decode(&bob.home.read("bob.ucan")).unwrap();
    assert_eq!(container.iter().count(), 1);
    let listed = bob.home.ok(&["ucan", "list"]);
    assert!(
        listed.contains("former agent") || listed.contains("laptop"),
        "{listed}"
    );
}
