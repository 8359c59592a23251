//! Alice shares her machine with Bob, Bob with Carol: rights that are passed on without asking anybody, used, and taken
//! back. Without these: sharing would need a server, or could not be ended.

use crate::parties::{Party, call};

/// Alice, Bob and Carol; Bob may add with Alice's module on her machine. The module's CID.
pub(crate) fn bob_may_add() -> ([Party; 3], String) {
    let parties = [Party::new(), Party::new(), Party::new()];
    let [alice, bob, carol] = &parties;
    alice.knows("bob", bob);
    bob.knows("alice", alice);
    bob.knows("carol", carol);
    carol.knows("alice", alice);
    let module = alice.has_calc();
    let pinned = format!(r#".mod == {{"/": "{module}"}}"#);
    alice.home.ok(&[
        "ucan",
        "delegate",
        "--to",
        "bob",
        "--cmd",
        "/wasm/run",
        "--policy",
        &pinned,
        "--policy",
        r#"["or", [["==", ".fun", "add"], ["==", ".fun", "halve"]]]"#,
        "-o",
        "bob.ucan",
    ]);
    alice.gives(bob, "bob.ucan");
    let taken = bob.home.ok(&["ucan", "import", "bob.ucan"]);
    assert_eq!(taken, "1 delegation");
    (parties, module)
}

/// Asks Alice's machine for a call, in a file.
pub(crate) fn ask(asker: &Party, alice: &Party, args: &str, file: &str) {
    asker.home.ok(&[
        "ucan",
        "invoke",
        "/wasm/run",
        "--sub",
        "alice-machine",
        "--args",
        args,
        "-o",
        file,
    ]);
    asker.gives(alice, file);
}

#[test]
fn a_right_is_used_passed_on_narrower_and_taken_back_for_one_alone() {
    let ([alice, bob, carol], module) = bob_may_add();

    // Bob uses his right; the answer is a receipt by Alice's agent, and counts at Bob's.
    ask(&bob, &alice, &call(&module, "add", "[2, 3]"), "two.ucan");
    let done = alice.executes("two.ucan", "answer.ucan");
    assert_eq!(
        (&done["status"], &done["memo"]),
        (&"ok".into(), &false.into())
    );
    assert_eq!(done["receipts"][0]["out"]["ok"], 5);
    alice.gives(&bob, "answer.ucan");
    let taken = bob.home.json(&["ucan", "import", "answer.ucan", "--json"]);
    assert_eq!(
        (&taken["receipts"], &taken["accepted"]),
        (&1.into(), &1.into())
    );
    let task = done["receipts"][0]["task"].as_str().unwrap();
    let shown = bob.home.json(&["receipt", "show", task, "--json"]);
    assert_eq!(
        (shown["out"]["ok"].as_u64(), shown["executor"].as_str()),
        (Some(5), Some(&*alice.agent))
    );

    // The very same request again: the receipt that is there.
    let again = alice.executes("two.ucan", "again.ucan");
    assert_eq!(again["memo"], true);
    assert_eq!(again["receipts"], done["receipts"]);

    // Bob passes a part on, without Alice.
    bob.home.ok(&[
        "ucan",
        "delegate",
        "--to",
        "carol",
        "--cmd",
        "/wasm/run",
        "--sub",
        "alice-machine",
        "--policy",
        r#".fun == "add""#,
        "--expires",
        "1d",
        "-o",
        "carol.ucan",
    ]);
    bob.gives(&carol, "carol.ucan");
    assert_eq!(
        carol.home.ok(&["ucan", "import", "carol.ucan"]),
        "2 delegations"
    );
    ask(
        &carol,
        &alice,
        &call(&module, "add", "[20, 30]"),
        "carols.ucan",
    );
    let done = alice.executes("carols.ucan", "for-carol.ucan");
    assert_eq!(done["receipts"][0]["out"]["ok"], 50);

    // More than she was given, her own program does not even sign.
    carol
        .home
        .run(&[
            "ucan",
            "invoke",
            "/wasm/run",
            "--sub",
            "alice-machine",
            "--args",
            &call(&module, "halve", "[4]"),
        ])
        .code(3)
        .says(".fun == \"add\"");

    // Bob takes Carol's right back, and tells Alice. Only Carol is cut off.
    bob.home
        .ok(&["ucan", "revoke", "carol.ucan", "-o", "revoked.ucan"]);
    bob.gives(&alice, "revoked.ucan");
    let taken = alice
        .home
        .json(&["ucan", "import", "revoked.ucan", "--json"]);
    assert_eq!(taken["revocations"], 1);
    ask(&carol, &alice, &call(&module, "add", "[1, 1]"), "late.ucan");
    let (kind, message) = alice.refuses("late.ucan");
    assert_eq!(kind, "Revoked", "{message}");
    assert!(message.contains("delegation 1 of the chain"), "{message}");
    // What she had done already is no way back in.
    assert_eq!(alice.refuses("carols.ucan").0, "Revoked");
    ask(&bob, &alice, &call(&module, "halve", "[8]"), "bobs.ucan");
    assert_eq!(
        alice.executes("bobs.ucan", "a.ucan")["receipts"][0]["out"]["ok"],
        4
    );

    // Alice takes Bob's right back herself: it counts at once, also for what he passed on.
    let list = alice.home.json(&["ucan", "list", "--json"]);
    let bobs = list
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["aud"] == *bob.owner);
    let bobs = bobs.unwrap()["delegation"].as_str().unwrap().to_owned();
    alice
        .home
        .ok(&["ucan", "revoke", &bobs[..20], "-o", "bobs-end.ucan"]);
    ask(&bob, &alice, &call(&module, "add", "[1, 2]"), "after.ucan");
    assert_eq!(alice.refuses("after.ucan").0, "Revoked");
    let list = alice.home.ok(&["ucan", "list"]);
    assert!(list.contains("revoked") && list.contains("bob"), "{list}");

    assert_eq!(alice.home.run(&["store", "verify"]).code(0).code, Some(0));
    assert_eq!(bob.home.run(&["store", "verify"]).code(0).code, Some(0));
}

/// A revocation may be known before what it is about, and is kept.
#[test]
fn a_revocation_comes_before_its_delegation() {
    let [alice, bob] = [Party::new(), Party::new()];
    let module = alice.has_calc();
    alice.home.ok(&[
        "ucan",
        "delegate",
        "--to",
        &bob.owner,
        "--cmd",
        "/wasm",
        "-o",
        "right.ucan",
    ]);
    alice
        .home
        .ok(&["ucan", "revoke", "right.ucan", "-o", "end.ucan"]);
    let elsewhere = Party::new();
    // Only the revocation, without its path.
    let end = alice.home.read("end.ucan");
    let tokens = ipvm_ucan::Container::decode(&end)
        .unwrap()
        .tokens()
        .unwrap();
    let alone = tokens.iter().find_map(|token| match token {
        ipvm_ucan::Token::Invocation(revocation) => Some(revocation.bytes().to_vec()),
        ipvm_ucan::Token::Delegation(_) => None,
    });
    elsewhere.home.file("end.ucan", alone.unwrap());
    let taken = elsewhere
        .home
        .json(&["ucan", "import", "end.ucan", "--json"]);
    assert_eq!(
        (&taken["delegations"], &taken["revocations"]),
        (&0.into(), &1.into())
    );
    // Bob's request, judged there.
    alice.gives(&bob, "right.ucan");
    bob.home.ok(&[
        "ucan",
        "invoke",
        "/wasm/run",
        "--sub",
        &alice.agent,
        "--proof",
        "right.ucan",
        "--args",
        &call(&module, "add", "[1, 1]"),
        "-o",
        "request.ucan",
    ]);
    bob.gives(&elsewhere, "request.ucan");
    let ran = elsewhere
        .home
        .run(&["ucan", "verify", "request.ucan", "--json"])
        .code(3);
    let verdict: serde_json::Value = serde_json::from_slice(&ran.out).unwrap();
    assert_eq!(verdict["error"]["kind"], "Revoked");
    assert_eq!(verdict["error"]["link"], 0);
}

/// Work on own behalf on another's machine: the right to the machine is a separate one, bounded by its policy.
#[test]
fn a_machine_is_lent_for_own_work_within_bounds() {
    let [alice, bob] = [Party::new(), Party::new()];
    bob.knows("alice", &alice);
    alice.has_calc();
    let module = bob.has_calc();
    bob.home.ok(&["get", &module, "--car", "-o", "calc.car"]);
    bob.gives(&alice, "calc.car");
    alice.home.ok(&[
        "ucan",
        "delegate",
        "--to",
        &bob.owner,
        "--cmd",
        "/workflow/run",
        "--policy",
        ".fuel <= 1000000 and .memory <= 16777216",
        "-o",
        "lent.ucan",
    ]);
    alice.gives(&bob, "lent.ucan");
    bob.home.ok(&["ucan", "import", "lent.ucan"]);
    let request = |fuel: &str, rounds: &str, file: &str| {
        bob.home.ok(&[
            "ucan",
            "invoke",
            "/wasm/run",
            "--audience",
            "alice-machine",
            "--fuel",
            fuel,
            "--memory",
            "16777216",
            "--args",
            &call(&module, "burn", &format!("[{rounds}]")),
            "-o",
            file,
        ]);
        bob.gives(&alice, file);
    };
    request("1000000", "10", "small.ucan");
    let done = alice.home.json(&[
        "ucan",
        "execute",
        "small.ucan",
        "--content",
        "calc.car",
        "-o",
        "a.ucan",
        "--json",
    ]);
    assert_eq!(done["receipts"][0]["out"]["ok"], 10);
    // The bound is real: more work ends at the limit, and is no result.
    request("1000000", "1000000000", "large.ucan");
    let ran = alice
        .home
        .run(&[
            "ucan",
            "execute",
            "large.ucan",
            "--content",
            "calc.car",
            "--json",
        ])
        .code(1);
    let report: serde_json::Value = serde_json::from_slice(&ran.out).unwrap();
    assert_eq!(report["receipts"][0]["out"]["error"]["limit"], "fuel");
    // Asking for more than was lent is refused.
    request("2000000", "10", "greedy.ucan");
    let (kind, message) = alice.refuses("greedy.ucan");
    assert_eq!(kind, "InvalidClaim", "{message}");
}

/// Content is private until it is made public, brought along, or delegated.
#[test]
fn content_is_private_until_it_is_given() {
    let [alice, bob] = [Party::new(), Party::new()];
    let module = alice.has_calc();
    alice.home.file("secret.txt", "the plan");
    let secret = alice.home.ok(&["add", "--quiet", "secret.txt"]);
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
    alice.gives(&bob, "bob.ucan");
    bob.home.ok(&["ucan", "import", "bob.ucan"]);
    let request = |args: &str, file: &str| {
        bob.home.ok(&[
            "ucan",
            "invoke",
            "/wasm/run",
            "--sub",
            &alice.agent,
            "--args",
            args,
            "-o",
            file,
        ]);
        bob.gives(&alice, file);
    };
    // The module is content too.
    request(&call(&module, "add", "[1, 2]"), "add.ucan");
    let (kind, message) = alice.refuses("add.ucan");
    assert_eq!(kind, "InvalidClaim");
    assert!(message.contains("may not use the content"), "{message}");
    alice.home.ok(&["store", "pin", "--public", &module]);
    assert_eq!(
        alice.executes("add.ucan", "a.ucan")["receipts"][0]["out"]["ok"],
        3
    );

    // A private file as an argument, and the same through a CAR that only names it.
    let spying = call(&module, "echo-pairs", &format!(r#"[{{"/": "{secret}"}}]"#));
    request(&spying, "spy.ucan");
    assert!(alice.refuses("spy.ucan").1.contains(&secret));
    let cid: ipvm_ipld::Cid = secret.parse().unwrap();
    alice.home.file("empty.car", ipvm_ipld::car::header(&[cid]));
    let ran = alice
        .home
        .run(&[
            "ucan",
            "execute",
            "spy.ucan",
            "--content",
            "empty.car",
            "--json",
        ])
        .code(3);
    assert!(String::from_utf8_lossy(&ran.out).contains("may not use the content"));

    // Reading it needs the right to read it.
    let read = |file: &str| {
        let args = format!(r#"{{"cid": {{"/": "{secret}"}}}}"#);
        bob.home.run(&[
            "ucan",
            "invoke",
            "/content/read",
            "--sub",
            &alice.owner,
            "--audience",
            &alice.agent,
            "--args",
            &args,
            "-o",
            file,
        ])
    };
    read("read.ucan").code(3).says("no delegations lead");
    alice.home.ok(&[
        "ucan",
        "delegate",
        "--to",
        &bob.owner,
        "--cmd",
        "/content/read",
        "--policy",
        &format!(r#".cid == {{"/": "{secret}"}}"#),
        "-o",
        "read-right.ucan",
    ]);
    alice.gives(&bob, "read-right.ucan");
    bob.home.ok(&["ucan", "import", "read-right.ucan"]);
    read("read.ucan").code(0);
    bob.gives(&alice, "read.ucan");
    alice
        .home
        .run(&["ucan", "execute", "read.ucan", "--result", "secret.car"])
        .code(0);
    alice.gives(&bob, "secret.car");
    bob.home.ok(&["add", "--car", "secret.car"]);
    assert_eq!(bob.home.ok(&["cat", &secret]), "the plan");
}

/// A promise for another's result: who may satisfy it is checked, and who may read it.
#[test]
fn promises_reach_across_parties() {
    let ([alice, bob, _], module) = bob_may_add();
    ask(&bob, &alice, &call(&module, "add", "[2, 3]"), "two.ucan");
    let done = alice.executes("two.ucan", "answer.ucan");
    let task = done["receipts"][0]["task"].as_str().unwrap().to_owned();
    bob.has_calc();
    let workflow = format!(
        "ipvm: \"0.2\"\nname: across\ntasks:\n  more: {{ mod: ./calc.wasm, fun: add, args: [{{await: {task}}}, 10] }}\n"
    );
    bob.home.file("across.yaml", &workflow);
    bob.home
        .run(&["run", "across.yaml"])
        .code(2)
        .says("has no receipt here");

    // A stranger's receipt for it is kept, and satisfies nothing.
    let stranger = Party::new();
    let forged = ipvm_ucan::Receipt::sign(
        &stranger.secret("agent.key"),
        ipvm_ucan::ReceiptPayload {
            out: ipvm_ucan::Outcome::Ok(ipvm_ipld::Ipld::Integer(6)),
            ..receipt_in(&alice.home.read("answer.ucan"))
                .payload()
                .clone()
        },
    )
    .unwrap();
    let mut container = ipvm_ucan::Container::decode(&bob.home.read("two.ucan")).unwrap();
    container.insert(forged.bytes().to_vec());
    let bytes = container.encode(ipvm_ucan::Encoding::Raw).unwrap();
    bob.home.file("forged.ucan", bytes);
    let taken = bob.home.json(&["ucan", "import", "forged.ucan", "--json"]);
    assert_eq!(
        (&taken["accepted"], &taken["strangers"]),
        (&0.into(), &1.into())
    );
    bob.home
        .run(&["run", "across.yaml"])
        .code(2)
        .says("whom nobody here asked");

    // That of the one who was asked does.
    alice.gives(&bob, "answer.ucan");
    bob.home.ok(&["ucan", "import", "answer.ucan"]);
    assert_eq!(bob.home.ok(&["run", "across.yaml"]), "more\t15");

    // Alice's own results are hers: Bob cannot have them through a promise.
    alice.home.ok(&["call", "calc.wasm", "add", "40", "2"]);
    let newest = &alice
        .home
        .json(&["receipt", "list", "--limit", "1", "--json"])[0];
    let hers = newest["task"].as_str().unwrap().to_owned();
    let awaiting = call(
        &module,
        "add",
        &format!(r#"[{{"await/ok": {{"/": "{hers}"}}}}, 0]"#),
    );
    ask(&bob, &alice, &awaiting, "peek.ucan");
    let (kind, message) = alice.refuses("peek.ucan");
    assert_eq!(kind, "InvalidClaim");
    assert!(message.contains("may not read the receipt"), "{message}");
    // His own he can.
    let awaiting = call(
        &module,
        "add",
        &format!(r#"[{{"await/ok": {{"/": "{task}"}}}}, 100]"#),
    );
    ask(&bob, &alice, &awaiting, "own.ucan");
    assert_eq!(
        alice.executes("own.ucan", "b.ucan")["receipts"][0]["out"]["ok"],
        105
    );
    // Hers he can once she says so.
    alice.home.ok(&[
        "ucan",
        "delegate",
        "--to",
        "bob",
        "--cmd",
        "/receipt/read",
        "--sub",
        "owner",
        "-o",
        "r.ucan",
    ]);
    alice.gives(&bob, "r.ucan");
    let awaiting = call(
        &module,
        "add",
        &format!(r#"[{{"await/ok": {{"/": "{hers}"}}}}, 0]"#),
    );
    bob.home.ok(&[
        "ucan",
        "invoke",
        "/wasm/run",
        "--sub",
        "alice-machine",
        "--args",
        &awaiting,
        "--proof",
        "r.ucan",
        "-o",
        "peek.ucan",
    ]);
    bob.gives(&alice, "peek.ucan");
    assert_eq!(
        alice.executes("peek.ucan", "c.ucan")["receipts"][0]["out"]["ok"],
        42
    );
}

fn receipt_in(container: &[u8]) -> ipvm_ucan::Receipt {
    let container = ipvm_ucan::Container::decode(container).unwrap();
    container
        .iter()
        .find_map(|token| ipvm_ucan::Receipt::decode(token).ok())
        .unwrap()
}

#[test]
fn inspect_says_who_may_do_what() {
    let ([_, bob, _], _) = bob_may_add();
    let shown = bob.home.ok(&["ucan", "inspect", "bob.ucan"]);
    for part in [
        "alice-machine (did:key:",
        "owner (did:key:",
        "/wasm/run",
        "either fun is \"add\", or fun is \"halve\"",
        "right",
        "valid",
    ] {
        assert!(shown.contains(part), "{part:?} in:\n{shown}");
    }
    let json = bob.home.json(&["ucan", "inspect", "bob.ucan", "--json"]);
    let cid = json["delegations"][0]["delegation"].as_str().unwrap();
    // A delegation that is kept is named by its CID too, and goes out with all above it.
    let by_cid = bob.home.json(&["ucan", "inspect", &cid[..24], "--json"]);
    assert_eq!(by_cid["delegations"][0]["delegation"], cid);
    bob.home
        .ok(&["ucan", "export", &cid[..24], "-o", "out.ucan"]);
    assert_eq!(bob.home.read("out.ucan"), bob.home.read("bob.ucan"));
    // A bare delegation asks for nothing.
    bob.home
        .run(&["ucan", "verify", "bob.ucan", "--json"])
        .code(3);
    let said = bob.home.run(&["ucan", "verify", "bob.ucan"]).code(3).text();
    assert!(
        said.contains("InvalidClaim") && said.contains("ipvm ucan inspect"),
        "{said}"
    );
}

#[test]
fn traps_in_policies_are_said_when_they_are_given() {
    let alice = Party::new();
    alice
        .home
        .run(&[
            "ucan",
            "delegate",
            "--to",
            &alice.agent,
            "--cmd",
            "/crud/read",
            "--policy",
            r#".uri like "https://example.com*""#,
            "--expires",
            "1h",
            "-o",
            "x.ucan",
        ])
        .code(0)
        .says("warning")
        .says("https://example.com.evil.org");
    alice
        .home
        .run(&["ucan", "delegate", "--to", "nobody", "--cmd", "/wasm"])
        .code(2)
        .says("ipvm name add nobody DID");
    alice
        .home
        .run(&["ucan", "delegate", "--to", "agent", "--cmd", "wasm"])
        .code(2)
        .says("must begin with a slash");
    alice
        .home
        .run(&[
            "ucan", "delegate", "--to", "agent", "--cmd", "/wasm", "--policy", ".a <",
        ])
        .code(2);
    // What one has not got, one cannot give.
    let stranger = Party::new();
    alice
        .home
        .run(&[
            "ucan",
            "delegate",
            "--to",
            "agent",
            "--cmd",
            "/wasm",
            "--sub",
            &stranger.owner,
        ])
        .code(3)
        .says("no delegations lead");
}

/// The local owner goes the same way: a home whose owner took the agent's authority back does nothing.
#[test]
fn own_runs_need_the_chain_from_owner_to_agent() {
    let alice = Party::new();
    alice.has_calc();
    assert_eq!(alice.home.ok(&["call", "calc.wasm", "add", "1", "2"]), "3");
    let dlg = alice.home.path().join("keys/agent.dlg");
    alice.home.file("agent.dlg", std::fs::read(dlg).unwrap());
    alice
        .home
        .ok(&["ucan", "revoke", "agent.dlg", "-o", "end.ucan"]);
    alice
        .home
        .run(&["call", "calc.wasm", "add", "1", "3"])
        .code(3)
        .says("Revoked");
}

/// Two interfaces, with one function of the same short name.
const INTERFACES: &str = r#"
(component
  (core module $m (func (export "one") (result i32) i32.const 1))
  (core instance $i (instantiate $m))
  (func $one (result u32) (canon lift (core func $i "one")))
  (instance $numbers (export "one" (func $one)) (export "both" (func $one)))
  (instance $letters (export "both" (func $one)))
  (export "demo:math/numbers@0.1.0" (instance $numbers))
  (export "demo:math/letters@0.1.0" (instance $letters)))
"#;

/// A request names its function in full, whatever short name the asker wrote: policies and receipts see one name.
#[test]
fn requests_name_functions_in_full() {
    let bob = Party::new();
    bob.home
        .file("two.wasm", ipvm_testkit::component(INTERFACES));
    let module = bob.home.ok(&["add", "--quiet", "two.wasm"]);
    let ask = |module: &str, function: &str| {
        let args = call(module, function, "[]");
        let words = [
            "ucan",
            "invoke",
            "/wasm/run",
            "--args",
            &args,
            "-o",
            "r.ucan",
        ];
        bob.home.run(&words)
    };
    let asked = || {
        let inspected = bob.home.json(&["ucan", "inspect", "r.ucan", "--json"]);
        inspected["invocations"][0]["args"]["fun"].clone()
    };
    for name in ["one", "demo:math/numbers@0.1.0#one"] {
        let ran = ask(&module, name).code(0);
        assert_eq!(ran.err, "", "{name}");
        assert_eq!(asked(), "demo:math/numbers@0.1.0#one");
    }
    ask(&module, "both")
        .code(2)
        .says("demo:math/numbers@0.1.0#both")
        .says("demo:math/letters@0.1.0#both");
    ask(&module, "none").code(2).says("none");
    // Of a module that is elsewhere nothing is known.
    let elsewhere = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    ask(elsewhere, "one").code(0).says("the module is not here");
    assert_eq!(asked(), "one");
}
