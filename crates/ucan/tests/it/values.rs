//! Commands, outcomes and keys.

use ipvm_ipld::{Ipld, Limits, json};
use ipvm_ucan::{Command, Keypair, Outcome};

/// Without it, a right to one command could become a right to another.
#[test]
fn commands_cover_by_whole_segments() {
    for (right, command, expected) in [
        ("/", "/", true),
        ("/", "/crud", true),
        ("/", "/crud/read", true),
        ("/crud", "/crud", true),
        ("/crud", "/crud/read", true),
        ("/crud", "/crud/read/all", true),
        ("/crud/read", "/crud", false),
        ("/crud/read", "/crud/update", false),
        ("/crud/read", "/crud/readx", false),
        ("/wasm", "/wasmx", false),
        ("/wasm", "/wasmx/run", false),
        ("/crud", "/", false),
        ("/ünïcode", "/ünïcode/x", true),
    ] {
        let [a, b] = [right, command].map(|text| text.parse::<Command>().unwrap());
        assert_eq!(a.covers(&b), expected, "{right} covers {command}");
    }
}

/// Without it, one command could be written in several ways, and be covered in only one.
#[test]
fn wrong_commands() {
    for (text, expected) in [
        ("", "begin with a slash"),
        ("crud", "begin with a slash"),
        ("crud/read", "begin with a slash"),
        ("/crud/", "empty segment"),
        ("//", "empty segment"),
        ("/crud//read", "empty segment"),
        ("//crud", "empty segment"),
        ("/Crud", "lower case"),
        ("/crud/ÄB", "lower case"),
        ("/crud/ǅ", "lower case"),
    ] {
        let error = text.parse::<Command>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    assert!(format!("/{}", "a".repeat(1023)).parse::<Command>().is_ok());
    assert!(format!("/{}", "a".repeat(1024)).parse::<Command>().is_err());
}

/// Without it, something that is neither success nor failure could be read as one of them.
#[test]
fn outcomes() {
    for (text, expected) in [
        (r#"{"ok": 1}"#, Some(Outcome::Ok(Ipld::Integer(1)))),
        (r#"{"ok": null}"#, Some(Outcome::Ok(Ipld::Null))),
        (
            r#"{"error": "x"}"#,
            Some(Outcome::Error(Ipld::String("x".into()))),
        ),
        (r#"{"ok": 1, "error": 2}"#, None),
        (r#"{"ok": 1, "other": 2}"#, None),
        (r#"{"other": 2}"#, None),
        ("{}", None),
        ("1", None),
    ] {
        let value = json::from_str(text, Limits::default()).unwrap();
        let outcome = Outcome::from_ipld(value.clone()).ok();
        assert_eq!(outcome, expected, "{text}");
        if let Some(outcome) = outcome {
            assert_eq!(outcome.to_ipld(), value);
            assert_eq!(outcome.is_ok(), text.contains("ok"));
        }
    }
}

/// Without it, a secret could end in a log.
#[test]
fn secrets_are_not_shown() {
    let key = Keypair::from_seed(&[0xab; 32]);
    assert_eq!(*key.seed(), [0xab; 32]);
    let shown = format!("{key:?}");
    assert!(
        shown.contains("did:key:") && !shown.contains("ab, ab") && !shown.contains("171"),
        "{shown}"
    );
}
