//! The system's own errors in receipts.

use crate::fake::ipld;
use ipvm_ipld::{Ipld, cid_of, codec, json};
use ipvm_ucan::promise::Branch;
use ipvm_workflow::{Failure, LimitKind, error_in_words};

fn all() -> Vec<(Failure, &'static str)> {
    let cid = cid_of(codec::RAW, b"");
    let message = || "why".to_owned();
    vec![
        (
            Failure::BranchMismatch {
                expected: Branch::Ok,
                got: Branch::Error,
                from: cid,
            },
            r#"{"expected":"ok","from":LINK,"got":"error","reason":"branch mismatch"}"#,
        ),
        (
            Failure::InputFailed {
                task: cid,
                message: message(),
            },
            r#"{"message":"why","reason":"input failed","task":LINK}"#,
        ),
        (
            Failure::Limit {
                limit: LimitKind::Fuel,
                allowed: 7,
            },
            r#"{"allowed":7,"limit":"fuel","reason":"limit"}"#,
        ),
        (
            Failure::Limit {
                limit: LimitKind::Memory,
                allowed: 7,
            },
            r#"{"allowed":7,"limit":"memory","reason":"limit"}"#,
        ),
        (
            Failure::Limit {
                limit: LimitKind::Time,
                allowed: 7,
            },
            r#"{"allowed":7,"limit":"time","reason":"limit"}"#,
        ),
        (
            Failure::Limit {
                limit: LimitKind::Disk,
                allowed: 7,
            },
            r#"{"allowed":7,"limit":"disk","reason":"limit"}"#,
        ),
        (
            Failure::Limit {
                limit: LimitKind::Stack,
                allowed: 7,
            },
            r#"{"allowed":7,"limit":"stack","reason":"limit"}"#,
        ),
        (
            Failure::Limit {
                limit: LimitKind::Output,
                allowed: 7,
            },
            r#"{"allowed":7,"limit":"output","reason":"limit"}"#,
        ),
        (
            Failure::TooLarge {
                bytes: 9,
                allowed: 7,
            },
            r#"{"allowed":7,"bytes":9,"reason":"too large"}"#,
        ),
        (
            Failure::Trap { message: message() },
            r#"{"message":"why","reason":"trap"}"#,
        ),
        (
            Failure::Crash { message: message() },
            r#"{"message":"why","reason":"crash"}"#,
        ),
        (Failure::Cancelled, r#"{"reason":"cancelled"}"#),
        (
            Failure::BadArgument {
                index: Some(2),
                message: message(),
            },
            r#"{"index":2,"message":"why","reason":"bad argument"}"#,
        ),
        (
            Failure::BadArgument {
                index: None,
                message: message(),
            },
            r#"{"message":"why","reason":"bad argument"}"#,
        ),
        (
            Failure::BadResult { message: message() },
            r#"{"message":"why","reason":"bad result"}"#,
        ),
        (
            Failure::BadModule {
                module: cid,
                message: message(),
            },
            r#"{"message":"why","mod":LINK,"reason":"bad module"}"#,
        ),
        (
            Failure::UnknownFunction {
                module: cid,
                function: "f".into(),
                message: message(),
            },
            r#"{"fun":"f","message":"why","mod":LINK,"reason":"unknown function"}"#,
        ),
        (
            Failure::MissingContent {
                content: cid,
                message: message(),
            },
            r#"{"content":LINK,"message":"why","reason":"missing content"}"#,
        ),
        (
            Failure::NotOffered { message: message() },
            r#"{"message":"why","reason":"not offered"}"#,
        ),
        (
            Failure::Refused {
                kind: "MatchError".into(),
                message: message(),
            },
            r#"{"kind":"MatchError","message":"why","reason":"refused"}"#,
        ),
        (
            Failure::NotDone {
                cause: "connection refused".into(),
                message: message(),
                attempts: 3,
            },
            r#"{"attempts":3,"cause":"connection refused","message":"why","reason":"not done"}"#,
        ),
        (
            Failure::NoAnswer {
                cause: "timeout".into(),
                message: message(),
                attempts: 1,
            },
            r#"{"attempts":1,"cause":"timeout","message":"why","reason":"no answer"}"#,
        ),
    ]
}

/// Breaks: a receipt's error would be another on the next machine, or not be understood.
#[test]
fn on_the_wire() {
    let link = json::to_string(&Ipld::Link(cid_of(codec::RAW, b"")));
    for (failure, expect) in all() {
        let value = failure.to_ipld();
        assert_eq!(
            json::to_string(&value),
            expect.replace("LINK", &link),
            "{failure:?}"
        );
        assert_eq!(Failure::from_ipld(&value), Some(failure.clone()));
        assert!(!failure.to_string().is_empty());
    }
}

/// Breaks: a guest's own error would be taken for the system's.
#[test]
fn a_guests_error() {
    for text in [
        "null",
        "\"limit\"",
        "{}",
        r#"{"reason": 1}"#,
        r#"{"reason": "because"}"#,
        r#"{"reason": "limit"}"#,
        r#"{"reason": "cancelled", "more": 1}"#,
        r#"{"reason": "limit", "limit": "luck", "allowed": 1}"#,
        r#"{"reason": "branch mismatch", "expected": "yes", "got": "ok", "from": {"/": "bafkqaaa"}}"#,
        r#"{"reason": "trap", "message": 7}"#,
    ] {
        let value = if text.contains("bafkqaaa") {
            ipld(&text.replace("bafkqaaa", &cid_of(codec::RAW, b"").to_string()))
        } else {
            ipld(text)
        };
        assert_eq!(Failure::from_ipld(&value), None, "{text}");
    }
}

/// Breaks: a limit would be remembered as a result, and a run with more fuel would never happen.
#[test]
fn what_may_be_remembered() {
    for (failure, _) in all() {
        assert_eq!(
            failure.memoisable(),
            matches!(failure, Failure::BadResult { .. }),
            "{failure:?}"
        );
    }
}

/// Breaks: a guest could fill receipts with its panic messages.
#[test]
fn long_messages_are_cut() {
    let failure = Failure::Trap {
        message: "é".repeat(10_000),
    };
    let Some(Failure::Trap { message }) = Failure::from_ipld(&failure.to_ipld()) else {
        panic!()
    };
    assert_eq!(message, "é".repeat(2_048));
    let odd = Failure::Trap {
        message: format!("x{}", "é".repeat(10_000)),
    };
    let Some(Failure::Trap { message }) = Failure::from_ipld(&odd.to_ipld()) else {
        panic!()
    };
    assert_eq!(message.len(), 4_095);
}

/// Breaks: whoever reads why a mail was refused would read a map.
#[test]
fn errors_are_told_in_words() {
    for (text, expect) in [
        (r#"{"reason": "cancelled"}"#, Some("the task was cancelled")),
        (r#""no image""#, Some("no image")),
        (
            r#"{"reason": "smtp status", "message": "not for bob", "code": 550}"#,
            Some("not for bob"),
        ),
        (r#"{"reason": "smtp status"}"#, None),
        (r#"{"message": "hello"}"#, None),
        ("7", None),
    ] {
        assert_eq!(error_in_words(&ipld(text)).as_deref(), expect, "{text}");
    }
}
