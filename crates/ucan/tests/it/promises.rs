//! Promises in args: found, refused, substituted once.

use ipvm_ipld::{Ipld, Limits, MAX_DEPTH, cid_of, codec, json};
use ipvm_ucan::promise::{Await, Branch, PromiseError, awaits, resolve};

const A: &str = "bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq";
const B: &str = "bafyreih62ud5st5aitpdft3yym6q7wx67q5o4xi534vna4446elzbfpkua";

/// DAG-JSON with `$a` and `$b` standing for the links of two tasks.
fn args(text: &str) -> Ipld {
    let link = |cid| format!(r#"{{"/":"{cid}"}}"#);
    json::from_str(
        &text.replace("$a", &link(A)).replace("$b", &link(B)),
        Limits::default(),
    )
    .unwrap()
}

fn wait(branch: Branch, task: &str) -> Await {
    Await {
        branch,
        task: task.parse().unwrap(),
    }
}

/// Without it, a task could start before its inputs are there, or wait for the wrong ones.
#[test]
fn all_are_found_in_order() {
    for (text, expected) in [
        ("{}", vec![]),
        (r#"{"x": $a}"#, vec![]),
        (r#"{"x": {"await/ok": $a}}"#, vec![wait(Branch::Ok, A)]),
        (
            r#"[{"await/error": $b}, {"await/*": $a}]"#,
            vec![wait(Branch::Error, B), wait(Branch::Any, A)],
        ),
        (
            r#"[{"await/ok": $b}, [{"q": {"await/ok": $a}}], {"await/ok": $b}]"#,
            vec![wait(Branch::Ok, B), wait(Branch::Ok, A)],
        ),
        (r#"{"await/ok": $a}"#, vec![wait(Branch::Ok, A)]),
        (r#"{"await": $a, "await/okay": $b}"#, vec![]),
    ] {
        assert_eq!(awaits(&args(text)).unwrap(), expected, "{text}");
    }
}

/// Without it, data that only looks like a promise would be waited for, or be taken as data by one and not by another.
#[test]
fn misuse_is_refused() {
    for (text, expected) in [
        (r#"{"await/ok": 1}"#, "not an int"),
        (r#"{"x": [{"await/*": null}]}"#, "not null"),
        (r#"{"await/error": {"await/ok": $a}}"#, "not a map"),
        (r#"{"await/ok": $a, "x": 1}"#, "alone"),
        (r#"{"await/ok": $a, "await/error": $a}"#, "alone"),
        (r#"{"await/ok": {"fork": 0}}"#, "not a map"),
    ] {
        let error = awaits(&args(text)).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let mut deep = Ipld::Null;
    for _ in 0..MAX_DEPTH {
        deep = Ipld::List(vec![deep]);
    }
    assert_eq!(awaits(&deep), Err(PromiseError::TooDeep));
}

/// Without it, a result that holds `{"await/ok": …}` as data could make its reader wait for, and read, anything.
#[test]
fn what_is_substituted_is_never_searched() {
    let trap = args(r#"{"await/ok": $b, "x": {"await/*": $b}}"#);
    let trap_whole = args(r#"{"await/ok": $b}"#);
    let mut asked = Vec::new();
    let mut lookup = |promise: &Await| {
        asked.push(*promise);
        Ok::<_, String>(if promise.branch == Branch::Ok {
            trap_whole.clone()
        } else {
            trap.clone()
        })
    };
    let before = args(r#"{"k": [1, {"await/ok": $a}], "l": {"await/*": $a}, "m": $a}"#);
    let after = resolve(&before, &mut lookup).unwrap();
    let expected =
        r#"{"k": [1, {"await/ok": $b}], "l": {"await/ok": $b, "x": {"await/*": $b}}, "m": $a}"#;
    assert_eq!(after, args(expected));
    assert_eq!(asked, [wait(Branch::Ok, A), wait(Branch::Any, A)]);
}

/// Without it, an error in a look-up could leave a hole in the args.
#[test]
fn errors_of_the_lookup_come_out() {
    let before = args(r#"[{"await/ok": $a}, {"await/ok": $b}]"#);
    let mut lookup = |promise: &Await| {
        if promise.task.to_string() == B {
            Err("no")
        } else {
            Ok(Ipld::Null)
        }
    };
    assert_eq!(resolve(&before, &mut lookup), Err("no"));
}

/// Without it, what is written could not be read back.
#[test]
fn round_trip() {
    for branch in Branch::ALL {
        let promise = Await {
            branch,
            task: cid_of(codec::DAG_CBOR, b"task"),
        };
        assert_eq!(awaits(&promise.to_ipld()).unwrap(), [promise]);
        let resolved = resolve(&promise.to_ipld(), &mut |_| {
            Ok::<_, String>(Ipld::Bool(true))
        });
        assert_eq!(resolved, Ok(Ipld::Bool(true)));
    }
}
