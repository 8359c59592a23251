//! Giving and taking back where something is amiss: with nothing behind it, in a file with something bad in it, with a slip of
//! the hand. Without these: a right could not be ended, would be half taken in, or be another one than was meant.

use crate::parties::Party;

/// Breaks: who gave all that they will ever have could not take it back before they had anything.
#[test]
fn a_powerline_is_taken_back_by_who_gave_it() {
    let [alice, bob, carol] = [Party::new(), Party::new(), Party::new()];
    alice.knows("bob", &bob);
    let give = [
        "ucan",
        "delegate",
        "--to",
        "bob",
        "--cmd",
        "/wasm",
        "--sub",
        "powerline",
    ];
    alice.home.ok(&[&give[..], &["-o", "line.ucan"]].concat());
    let list = alice.home.json(&["ucan", "list", "--json"]);
    let line = list[0]["delegation"].as_str().unwrap().to_owned();
    alice.home.ok(&["ucan", "revoke", &line, "-o", "end.ucan"]);
    let state = |party: &Party| {
        let list = party.home.json(&["ucan", "list", "--json"]);
        let found = list
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["delegation"] == line);
        found.unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&alice), "revoked");
    // Whoever executes for others learns of it, from her and from those who heard it from her.
    alice.gives(&bob, "line.ucan");
    bob.home.ok(&["ucan", "import", "line.ucan"]);
    assert_eq!(state(&bob), "valid");
    alice.gives(&bob, "end.ucan");
    bob.home.ok(&["ucan", "import", "end.ucan"]);
    assert_eq!(state(&bob), "revoked");
    bob.home.ok(&["ucan", "export", &line, "-o", "all.ucan"]);
    bob.gives(&carol, "all.ucan");
    carol.home.ok(&["ucan", "import", "all.ucan"]);
    assert_eq!(state(&carol), "revoked");
}

/// Breaks: of a file with good tokens and a bad one something would be kept and something lost, and nobody could say what.
#[test]
fn a_file_with_a_bad_token_is_refused_whole_and_by_name() {
    let [alice, bob] = [Party::new(), Party::new()];
    alice.knows("bob", &bob);
    for cmd in ["/wasm", "/kv"] {
        let file = format!("{}.ucan", &cmd[1..]);
        alice
            .home
            .ok(&["ucan", "delegate", "--to", "bob", "--cmd", cmd, "-o", &file]);
    }
    let mut mixed = ipvm_ucan::Container::new();
    let mut bad = String::new();
    for (file, is_bad) in [("wasm.ucan", false), ("kv.ucan", true)] {
        let one = ipvm_ucan::Container::decode(&alice.home.read(file)).unwrap();
        for token in one.iter() {
            let mut token = token.to_vec();
            if is_bad {
                token[10] ^= 1; // within the signature
                bad = ipvm_ipld::cid_of(ipvm_ipld::codec::DAG_CBOR, &token).to_string();
            }
            mixed.insert(token);
        }
    }
    bob.home.file(
        "mixed.ucan",
        mixed.encode(ipvm_ucan::Encoding::Raw).unwrap(),
    );
    bob.home
        .run(&["ucan", "import", "mixed.ucan"])
        .code(3)
        .says("nothing of mixed.ucan was taken in")
        .says(&bad);
    assert_eq!(
        bob.home.json(&["ucan", "list", "--json"]),
        serde_json::json!([])
    );
    bob.home.file("nothing.ucan", "");
    bob.home
        .run(&["ucan", "import", "nothing.ucan"])
        .code(2)
        .says("nothing.ucan is empty");
    bob.home.file("torn.ucan", "@\u{1}");
    bob.home
        .run(&["ucan", "import", "torn.ucan"])
        .code(3)
        .says("in torn.ucan");
}

/// Breaks: an empty variable of a shell would give everything, a slip of the date nothing, and neither would be said.
#[test]
fn slips_that_change_a_right_are_said() {
    let alice = Party::new();
    let delegate = |more: &[&str]| {
        let words = [
            "ucan", "delegate", "--to", "owner", "--cmd", "/wasm", "-o", "x.ucan",
        ];
        alice.home.run(&[&words[..], more].concat())
    };
    for empty in ["", " \n"] {
        delegate(&["--policy", empty])
            .code(2)
            .says("would allow everything");
    }
    delegate(&["--expires", "2020-01-01"])
        .code(0)
        .says("nobody can use this right");
    delegate(&["--expires", "1d", "--not-before", "2d"])
        .code(2)
        .says("before it begins");
    delegate(&["--expires", "9007199254740992"])
        .code(2)
        .says("2^53");
    delegate(&["--expires", "9999-12-31T23:59:59Z"])
        .code(0)
        .says("9999-12-31");
    let long = format!(".a like \"{}", "*a".repeat(30_000));
    let ran = delegate(&["--policy", &long]).code(2);
    assert!(ran.err.len() < 1_000, "what is wrong can be seen");
}
