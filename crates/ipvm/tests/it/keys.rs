//! Keys: protected, replaced, called by name. Without these: a stolen disk would be a stolen identity, and a new key a
//! new beginning from nothing.

use crate::home::Home;
use crate::parties::{Party, call};
use ipvm_testkit::{CALC, component};

#[test]
fn protected_keys_sign_only_with_the_passphrase() {
    let alice = Party::new();
    alice.has_calc();
    let key = alice.home.path().join("keys/owner.key");
    let plain = std::fs::read_to_string(&key).unwrap();
    let with = |home: &Home, args: &[&str], given: &str, new: &str| {
        let mut command = home.command(args);
        command
            .env("IPVM_PASSPHRASE", given)
            .env("IPVM_NEW_PASSPHRASE", new);
        command.output().unwrap()
    };
    let protected = with(&alice.home, &["key", "protect"], "", "open sesame");
    assert_eq!(protected.status.code(), Some(0));
    let sealed = std::fs::read_to_string(&key).unwrap();
    let seed = plain.lines().nth(1).unwrap();
    assert!(
        sealed.contains("sealed") && !sealed.contains(seed),
        "{sealed}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    // Looking needs no passphrase.
    assert_eq!(
        alice.home.json(&["key", "show", "--json"])["owner"],
        *alice.owner
    );
    assert_eq!(
        alice.home.json(&["key", "list", "--json"])[0]["protected"],
        true
    );
    // Signing does.
    alice
        .home
        .run(&["call", "calc.wasm", "add", "1", "2"])
        .code(2)
        .says("protected by a passphrase")
        .says("IPVM_PASSPHRASE");
    let wrong = with(
        &alice.home,
        &["call", "calc.wasm", "add", "1", "2"],
        "open barley",
        "",
    );
    assert_eq!(wrong.status.code(), Some(2));
    let right = with(
        &alice.home,
        &["call", "calc.wasm", "add", "1", "2"],
        "open sesame",
        "",
    );
    assert_eq!(
        (right.status.code(), right.stdout.as_slice()),
        (Some(0), &b"3\n"[..])
    );
    // And back; a wrong passphrase changes nothing.
    let wrong = with(&alice.home, &["key", "unprotect"], "no", "");
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&key).unwrap(), sealed);
    let right = with(&alice.home, &["key", "unprotect"], "open sesame", "");
    assert_eq!(right.status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&key).unwrap(), plain);
    assert_eq!(alice.home.ok(&["call", "calc.wasm", "add", "1", "2"]), "3");
}

#[test]
fn a_new_agent_goes_on_where_the_old_one_was() {
    let [alice, bob] = [Party::new(), Party::new()];
    let module = alice.has_calc();
    alice.home.ok(&["store", "pin", "--public", &module]);
    alice.home.ok(&["call", "calc.wasm", "add", "1", "2"]);
    alice.home.ok(&[
        "ucan",
        "delegate",
        "--to",
        &bob.owner,
        "--cmd",
        "/wasm/run",
        "-o",
        "bob.ucan",
    ]);
    let rotated = alice.home.json(&["key", "rotate", "agent", "--json"]);
    assert_eq!(rotated["former"], *alice.agent);
    let keys = alice.home.json(&["key", "show", "--json"]);
    assert_eq!(
        (&keys["owner"], &keys["agent"]),
        (&(*alice.owner).into(), &rotated["now"])
    );
    assert_eq!(
        alice.home.json(&["key", "list", "--json"])[2]["name"],
        "former agent"
    );
    // Old receipts answer.
    let again = alice
        .home
        .json(&["call", "calc.wasm", "add", "1", "2", "--json"]);
    assert_eq!(again["memo"], true, "{again}");
    // Old rights are good, though they are about the old agent, and asked of it.
    alice.gives(&bob, "bob.ucan");
    bob.home.ok(&[
        "ucan",
        "invoke",
        "/wasm/run",
        "--sub",
        &alice.agent,
        "--proof",
        "bob.ucan",
        "--args",
        &call(&module, "add", "[4, 5]"),
        "-o",
        "request.ucan",
    ]);
    bob.gives(&alice, "request.ucan");
    assert_eq!(
        alice.executes("request.ucan", "a.ucan")["receipts"][0]["out"]["ok"],
        9
    );
    // And can be taken back by the new one.
    alice
        .home
        .ok(&["ucan", "revoke", "bob.ucan", "-o", "end.ucan"]);
    assert_eq!(alice.refuses("request.ucan").0, "Revoked");
    assert_eq!(alice.home.run(&["store", "verify"]).code(0).code, Some(0));
    // A copy of the whole home still knows who it was.
    alice.home.ok(&["home", "export", "all.tar"]);
    let other = Home::new();
    other.file("all.tar", alice.home.read("all.tar"));
    other.ok(&["home", "import", "all.tar"]);
    assert_eq!(
        other.json(&["key", "list", "--json"])[2]["did"],
        *alice.agent
    );
}

#[test]
fn a_new_owner_has_what_the_old_one_had() {
    let [alice, bob] = [Party::new(), Party::new()];
    let module = alice.has_calc();
    bob.has_calc();
    bob.home.ok(&["store", "pin", "--public", &module]);
    // Bob gives Alice a right, before and after she has a new key.
    bob.home.ok(&[
        "ucan",
        "delegate",
        "--to",
        &alice.owner,
        "--cmd",
        "/wasm/run",
        "-o",
        "alice.ucan",
    ]);
    bob.gives(&alice, "alice.ucan");
    alice.home.ok(&["ucan", "import", "alice.ucan"]);
    alice.home.ok(&["call", "calc.wasm", "add", "1", "2"]);
    let old = alice.secret("owner.key");
    let rotated = alice.home.json(&["key", "rotate", "owner", "--json"]);
    assert_eq!(rotated["former"], *alice.owner);
    assert_ne!(rotated["now"], rotated["former"]);
    // The old one asks for nothing any more, whoever has it.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let late = i64::try_from(now.unwrap().as_secs()).unwrap() + 600;
    let stolen = ipvm_ucan::InvocationBuilder::new(&old, "/wasm/run".parse().unwrap())
        .audience(&alice.agent.parse().unwrap())
        .expires(late)
        .sign(vec![])
        .unwrap();
    alice.home.file("stolen.ucan", stolen.bytes());
    let (kind, message) = alice.refuses("stolen.ucan");
    assert_eq!(kind, "InvalidClaim");
    assert!(message.contains("was replaced"), "{message}");
    // Its work is remembered by what was computed.
    let again = alice
        .home
        .json(&["call", "calc.wasm", "add", "1", "2", "--json"]);
    assert_eq!(again["memo"], true, "{again}");
    alice.home.ok(&[
        "ucan",
        "invoke",
        "/wasm/run",
        "--sub",
        &bob.agent,
        "--args",
        &call(&module, "add", "[1, 1]"),
        "-o",
        "request.ucan",
    ]);
    alice.gives(&bob, "request.ucan");
    assert_eq!(
        bob.executes("request.ucan", "a.ucan")["receipts"][0]["out"]["ok"],
        2
    );
    let tokens = ipvm_ucan::Container::decode(&alice.home.read("request.ucan")).unwrap();
    assert_eq!(
        tokens.len(),
        3,
        "the right, what the old key passed on, the request"
    );
}

#[test]
fn names_stand_where_dids_do() {
    let [alice, bob] = [Party::new(), Party::new()];
    alice.home.ok(&["name", "add", "bob", &bob.owner]);
    alice
        .home
        .run(&["name", "add", "bob", &bob.agent])
        .code(2)
        .says("name remove bob");
    alice.home.ok(&["name", "add", "bob", &bob.owner]);
    alice
        .home
        .run(&["name", "add", "agent", &bob.owner])
        .code(2)
        .says("means something already");
    alice
        .home
        .run(&["name", "add", "x", "did:plc:abc"])
        .code(2)
        .says("did:plc:abc");
    assert_eq!(
        alice.home.ok(&["name", "list"]),
        format!("bob  {}", bob.owner)
    );
    let names = alice.home.json(&["name", "list", "--json"]);
    assert_eq!(
        (&names[0]["name"], &names[0]["did"]),
        (&"bob".into(), &(*bob.owner).into())
    );
    alice
        .home
        .run(&[
            "ucan", "delegate", "--to", "bob", "--cmd", "/wasm", "-o", "b.ucan",
        ])
        .code(0)
        .says("bob may do /wasm on agent");
    alice.home.ok(&["name", "remove", "bob"]);
    alice
        .home
        .run(&["name", "remove", "bob"])
        .code(2)
        .says("nobody is called");
    assert_eq!(alice.home.ok(&["name", "list"]), "");
}

/// Breaks: who must use keys of a type that others can check, in hardware or by law, could have no home.
#[test]
fn keys_of_every_type_work_and_replace_each_other() {
    for (name, begins) in [("p256", "did:key:zDn"), ("secp256k1", "did:key:zQ3s")] {
        let home = Home::new();
        let keys = home.json(&["key", "new", "--type", name, "--json"]);
        for which in ["owner", "agent"] {
            assert!(keys[which].as_str().unwrap().starts_with(begins), "{keys}");
        }
        home.file("calc.wasm", component(CALC));
        let text = "ipvm: \"0.2\"\nname: w\ntasks:\n  open: { mod: ./calc.wasm, fun: add, args: [2, 3] }\n  sealed: { mod: ./calc.wasm, fun: add, args: [4, 5], config: {secret: true} }\noutputs: { sealed: sealed.json }\n";
        home.file("w.yaml", text);
        home.run(&["run", "w.yaml"]).code(0).says("2 executed");
        let receipt = home.json(&["receipt", "list", "--json"])[0]["receipt"].clone();
        home.ok(&["receipt", "verify", receipt.as_str().unwrap()]);
        // Under a passphrase, and with keys of another type in their place.
        let with = |words: &[&str]| {
            let mut command = home.command(words);
            let ran = command.env("IPVM_PASSPHRASE", "open").output().unwrap();
            assert!(
                ran.status.success(),
                "{}",
                String::from_utf8_lossy(&ran.stderr)
            );
            String::from_utf8(ran.stdout).unwrap()
        };
        let mut protect = home.command(&["key", "protect"]);
        protect.env("IPVM_NEW_PASSPHRASE", "open");
        assert!(protect.output().unwrap().status.success());
        home.run(&["key", "rotate", "owner"])
            .code(2)
            .says("IPVM_PASSPHRASE");
        let same = with(&["key", "rotate", "agent", "--json"]);
        let same: serde_json::Value = serde_json::from_str(&same).unwrap();
        assert!(same["now"].as_str().unwrap().starts_with(begins), "{same}");
        let other = with(&["key", "rotate", "owner", "--type", "ed25519", "--json"]);
        let other: serde_json::Value = serde_json::from_str(&other).unwrap();
        assert!(
            other["now"].as_str().unwrap().starts_with("did:key:z6Mk"),
            "{other}"
        );
        with(&["key", "unprotect"]);
        // What was done is remembered, open and sealed, and the home is sound.
        let again = home.json(&["run", "w.yaml", "--json"]);
        assert_eq!(
            (&again["executed"], &again["reused"]),
            (&0.into(), &2.into())
        );
        home.ok(&["store", "verify"]);
    }
}
