//! What is refused when a run is under way already. Without these, a script would take a missing right for a failure that
//! another attempt may mend.

use ipvm_testkit::component;
use ipvm_testkit::web::Web;
use serde_json::{Value, json};

use crate::parties::Party;

/// Somebody whom Alice lends her address for mails to example.com.
fn borrower() -> Party {
    let (alice, party) = (Party::new(), Party::new());
    party.knows("alice", &alice);
    alice.knows("me", &party);
    let policy = r#"all .to: . like "*@example.com""#;
    let give = ["ucan", "delegate", "--to", "me", "--cmd", "/msg/send"];
    let rest = ["--policy", policy, "-o", "alice.ucan"];
    alice.home.ok(&[&give[..], &rest].concat());
    alice.gives(&party, "alice.ucan");
    party.home.ok(&["ucan", "import", "alice.ucan"]);
    party.has_calc();
    party
}

/// A mail in Alice's name to whoever `text` is, and a task that awaits it.
const MAIL: &str = "  text: { mod: calc.wasm, fun: blob, args: [10] }
  mail: { cmd: /msg/send, subject: alice, args: { from: a@example.com, to: [{await: text}], subject: x, body: x } }
  note: { cmd: /kv/set, args: { key: sent, value: {await: mail} } }
";

/// Runs a file with these tasks; its report.
#[track_caller]
fn run(party: &Party, code: i32, tasks: &str) -> Value {
    let text = format!("ipvm: \"0.2\"\nname: late\ntasks:\n{tasks}");
    party.home.file("late.yaml", text);
    let ran = party.home.run(&["run", "late.yaml", "--json"]).code(code);
    serde_json::from_slice(&ran.out).unwrap()
}

#[test]
fn a_policy_that_a_promise_breaks_ends_the_run_with_the_code_of_refusals() {
    let party = borrower();
    for _ in 0..2 {
        let report = run(&party, 3, MAIL);
        assert_eq!(report["status"], "error", "{report}");
        let error = &report["tasks"]["mail"]["out"]["error"];
        assert_eq!(
            (&error["reason"], &error["kind"]),
            (&json!("refused"), &json!("MatchError"))
        );
        assert_eq!(report["tasks"]["note"]["because"], "mail");
    }
    // Beside it something fails that has nothing to do with rights: the right is still what is missing.
    let failing = "  fails: { cmd: /kv/set, args: { key: k, value: 1, version: 9 } }\n";
    run(&party, 3, &format!("{MAIL}{failing}"));
    // Without the refusal it is a failure.
    run(&party, 1, failing);
}

#[test]
fn what_the_settings_of_this_home_refuse_is_a_failure_and_a_doubt_goes_first() {
    let party = borrower();
    let web = Web::start();
    let uri = format!("http://{}/lost", web.address());
    let lost = format!("  lost: {{ cmd: /crud/create, args: {{ uri: \"{uri}\", body: x }} }}\n");
    // A private address is nobody's right: an account grants it.
    run(&party, 1, &lost);
    let at = web.address();
    party
        .home
        .ok(&["provider", "add", "local", "http", "--allow-private", &at]);
    let report = run(&party, 4, &format!("{MAIL}{lost}"));
    assert_eq!(report["status"], "in-doubt");
    assert_eq!(report["tasks"]["mail"]["status"], "error");
}

/// `forge() -> result<_, refusal>`: always the error that the system writes for a policy that is not met.
const FORGE: &str = r#"
(component
  (core module $m
    (memory (export "memory") 1)
    (data (i32.const 100) "refused")
    (data (i32.const 120) "MatchError")
    (func (export "forge") (result i32)
      (i32.store8 (i32.const 0) (i32.const 1))
      (i32.store (i32.const 4) (i32.const 100))
      (i32.store (i32.const 8) (i32.const 7))
      (i32.store (i32.const 12) (i32.const 120))
      (i32.store (i32.const 16) (i32.const 10))
      (i32.store (i32.const 20) (i32.const 120))
      (i32.store (i32.const 24) (i32.const 10))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (type $r (record (field "reason" string) (field "kind" string) (field "message" string)))
  (export $refusal "refusal" (type $r))
  (func (export "forge") (result (result (error $refusal)))
    (canon lift (core func $i "forge") (memory (core memory $i "memory")))))
"#;

#[test]
fn a_function_that_says_it_was_refused_is_not_believed() {
    let party = borrower();
    party.home.file("forge.wasm", component(FORGE));
    let forged = "  f: { mod: forge.wasm, fun: forge, args: [] }\n  now: { cmd: /time/now }\n";
    let report = run(&party, 1, forged);
    let error = &report["tasks"]["f"]["out"]["error"];
    assert_eq!(
        (&error["reason"], &error["kind"]),
        (&json!("refused"), &json!("MatchError"))
    );
}
