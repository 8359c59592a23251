//! Mail: what is sent, to whom, and what is said when it may have been.

use crate::ask::{Ask, at, problem, task, words};
use crate::authority::Authority;
use crate::raw::closed_port;
use crate::smtp_server::{Fault as Wrong, Server, Setup};
use ipvm_effects::{Account, Effects, Fault, Kind, Probe, Secret, SmtpAccount, SmtpTls};
use ipvm_ipld::Ipld;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn account(port: u16) -> SmtpAccount {
    SmtpAccount {
        server: "localhost".into(),
        port,
        tls: SmtpTls::None,
        user: None,
        secret: None,
        from: Vec::new(),
        allow_private: vec!["localhost".into()],
        roots: None,
    }
}

pub(crate) fn mail(rest: &str) -> String {
    format!(
        r#"{{"from": "mailto:alice@example.com", "to": ["bob@example.com"], "subject": "done"{rest}}}"#
    )
}

pub(crate) fn send(account: SmtpAccount, args: &str) -> Ask<'static> {
    Ask::new("/msg/send", args, Account::Smtp(account))
}

fn faulty(stage: &'static str, fault: Wrong) -> Server {
    Server::start(Setup {
        faults: BTreeMap::from([(stage, fault)]),
        ..Setup::default()
    })
}

/// A mail that arrives otherwise than it was written is another mail.
#[test]
fn a_mail_arrives_as_it_was_written() {
    let server = Server::start(Setup::default());
    let args = mail(
        r#", "cc": ["carol@example.com", "bob@EXAMPLE.com"], "body": "Dear Bob\n.\n..two\rx\r\n.\r\nend",
            "headers": {"X-Run": "ä 1"}"#,
    )
    .replace("done", "fertig: Größe");
    let result = send(account(server.port), &args).perform().unwrap();
    let id = format!("<{}@ipvm>", task());
    assert_eq!(at(&result, "id"), &Ipld::String(id.clone()));
    let accepted = vec!["bob@example.com".into(), "carol@example.com".into()];
    assert_eq!(at(&result, "accepted"), &Ipld::List(accepted));
    assert_eq!(at(&result, "answer"), &"250 2.0.0 queued as 42".into());

    let taken = server.mails().pop().unwrap();
    assert_eq!(taken.from, "MAIL FROM:<alice@example.com>");
    assert_eq!(taken.to, ["<bob@example.com>", "<carol@example.com>"]);
    assert!(taken.data.is_ascii());
    let (head, body) = taken.data.split_once("\n\n").unwrap();
    for line in [
        &*format!("Message-ID: {id}"),
        "From: alice@example.com",
        "To: bob@example.com",
        "Cc: carol@example.com, bob@EXAMPLE.com",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Subject: fertig: =?utf-8?b?R3LDtsOfZQ==?=",
        "X-Run: =?utf-8?b?w6Q=?= 1",
        "Content-Transfer-Encoding: 7bit",
    ] {
        assert!(
            head.lines().any(|found| found == line),
            "{line:?} not in {head}"
        );
    }
    assert!(
        head.lines().any(|found| found.starts_with("Date: ")),
        "{head}"
    );
    assert_eq!(body.trim_end(), "Dear Bob\n.\n..two\nx\n.\nend");
    let heard = server.heard();
    assert_eq!(heard.last().map(String::as_str), Some("QUIT"));
    assert_eq!(heard[0], "EHLO [127.0.0.1]");

    let text = "Grüße\n".repeat(100);
    let mut other = send(account(server.port), &mail(r#", "body": "x""#));
    other
        .args
        .insert("body".into(), Ipld::Bytes(text.clone().into_bytes()));
    other.perform().unwrap();
    let taken = server.mails().pop().unwrap();
    let (head, body) = taken.data.split_once("\n\n").unwrap();
    assert!(head.contains("Content-Transfer-Encoding: base64"), "{head}");
    let lines: String = body.lines().collect();
    let decoded = data_encoding::BASE64.decode(lines.as_bytes()).unwrap();
    assert_eq!(
        String::from_utf8(decoded).unwrap(),
        text.replace('\n', "\r\n")
    );
    // What another task gave is often neither text nor bytes.
    let found = r#""body": {"records": ["one"], "ttl": 60}"#;
    send(account(server.port), &mail(&format!(", {found}")))
        .perform()
        .unwrap();
    let taken = server.mails().pop().unwrap();
    let (_, body) = taken.data.split_once("\n\n").unwrap();
    assert_eq!(body.trim_end(), r#"{"records":["one"],"ttl":60}"#);
}

/// Without it, a secret goes to whoever listens, or to whoever pretends to be the server.
#[test]
fn encryption_comes_before_the_login() {
    let authority = Authority::new();
    let tls = Some(Arc::new(authority.server("localhost")));
    for (implicit, mechanism) in [(false, "PLAIN"), (true, "PLAIN"), (false, "LOGIN")] {
        let server = Server::start(Setup {
            tls: tls.clone(),
            implicit,
            login: Some(("me", "s3cret")),
            mechanism,
            ..Setup::default()
        });
        let with = |roots: &str, secret: &str| SmtpAccount {
            tls: if implicit {
                SmtpTls::Implicit
            } else {
                SmtpTls::StartTls
            },
            user: Some("me".into()),
            secret: Some(Secret::new(secret)),
            roots: Some(roots.to_owned()),
            ..account(server.port)
        };
        send(with(&authority.pem, "s3cret"), &mail(r#", "body": "x""#))
            .perform()
            .unwrap();
        let heard = server.heard();
        let place = |word: &str| {
            heard
                .iter()
                .position(|line| line.starts_with(word))
                .unwrap()
        };
        assert!(place("(encrypted)") < place("AUTH"), "{heard:?}");
        assert_eq!(server.mails().len(), 1);

        let wrong = send(with(&authority.pem, "other"), &mail(r#", "body": "x""#)).perform();
        assert_eq!(words(wrong.clone()), ("failed", "smtp status"));
        let problem = problem(wrong);
        assert_eq!(problem.details["code"], Ipld::Integer(535));
        assert!(!format!("{problem:?}").contains("other"));
        server.heard();

        let stranger = send(
            with(&Authority::new().pem, "s3cret"),
            &mail(r#", "body": "x""#),
        );
        assert_eq!(words(stranger.perform()), ("not done", "tls"));
        assert!(!server.heard().iter().any(|line| line.starts_with("AUTH")));

        let test = |secret| {
            Effects::new()
                .provider(Kind::Smtp)
                .test(&Account::Smtp(with(&authority.pem, secret)))
        };
        let said = test("s3cret").unwrap();
        assert!(
            said.contains("encrypted; the login of me is accepted"),
            "{said}"
        );
        assert!(test("other").unwrap_err().message.contains("535"));
        assert_eq!(server.mails().len(), 1);
    }

    // A server that has lost its STARTTLS, or somebody in between who took it away.
    let plain = Server::start(Setup::default());
    let mut wants = account(plain.port);
    wants.tls = SmtpTls::StartTls;
    assert_eq!(
        words(send(wants, &mail(r#", "body": "x""#)).perform()),
        ("not done", "tls")
    );
    // Somebody in between who speaks before the encryption begins.
    let injected = Server::start(Setup {
        tls,
        faults: BTreeMap::from([("STARTTLS", Wrong::Say("220 go on\r\n250 mine"))]),
        ..Setup::default()
    });
    let mut wants = account(injected.port);
    wants.tls = SmtpTls::StartTls;
    assert_eq!(
        words(send(wants, &mail(r#", "body": "x""#)).perform()),
        ("not done", "tls")
    );
}

/// Until the last line has left nothing is sent, and it is told for good or for now as the server said.
#[test]
fn before_the_last_line_a_mail_is_not_sent() {
    let nobody = send(account(closed_port()), &mail(r#", "body": "x""#));
    assert_eq!(words(nobody.perform()), ("not done", "not connected"));

    for stage in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "body", "dot"] {
        let recipient = stage == "RCPT";
        if stage != "body" {
            for (line, kind) in [
                ("451 4.3.0 later", "not done"),
                ("550 5.7.1 never", "failed"),
            ] {
                let server = faulty(stage, Wrong::Say(line));
                let result = send(account(server.port), &mail(r#", "body": "x""#)).perform();
                let reason = if recipient {
                    "recipient refused"
                } else {
                    "smtp status"
                };
                assert_eq!(words(result.clone()), (kind, reason), "{stage}");
                let code = problem(result).details["code"].clone();
                assert_eq!(code, Ipld::Integer(line[..3].parse().unwrap()), "{stage}");
                assert_eq!(server.heard().contains(&"(dot)".to_owned()), stage == "dot");
                assert!(server.mails().is_empty());
            }
        }
        if stage == "dot" {
            continue;
        }
        let server = faulty(stage, Wrong::Close);
        // Longer than what fits between the two, so that the break comes before the end.
        let body = "0123456789".repeat(if stage == "body" { 1 << 20 } else { 1 });
        let mut closed = send(account(server.port), &mail(""));
        closed.args.insert("body".into(), body.into());
        assert_eq!(
            words(closed.perform()),
            ("not done", "connection broke"),
            "{stage}"
        );
        assert!(!server.heard().contains(&"(dot)".to_owned()));

        if stage == "body" {
            continue;
        }
        let server = faulty(stage, Wrong::Silence);
        let mut silent = send(account(server.port), &mail(r#", "body": "x""#));
        silent.limits.time = Duration::from_millis(200);
        assert_eq!(words(silent.perform()), ("not done", "timeout"), "{stage}");
        assert!(!server.heard().contains(&"(dot)".to_owned()));
    }
}

/// After the last line nobody knows, and a mail that is sent twice is two mails.
#[test]
fn after_the_last_line_a_mail_may_be_sent() {
    let server = faulty("dot", Wrong::Close);
    let result = send(account(server.port), &mail(r#", "body": "x""#)).perform();
    assert_eq!(words(result), ("unknown", "connection broke"));
    assert!(server.heard().contains(&"(dot)".to_owned()));

    let server = faulty("dot", Wrong::Silence);
    let mut silent = send(account(server.port), &mail(r#", "body": "x""#));
    silent.limits.time = Duration::from_secs(1);
    assert_eq!(words(silent.perform()), ("unknown", "timeout"));
    assert!(server.heard().contains(&"(dot)".to_owned()));

    let server = faulty("dot", Wrong::Say("this is no answer"));
    let result = send(account(server.port), &mail(r#", "body": "x""#)).perform();
    assert_eq!(words(result), ("unknown", "connection broke"));
    assert!(server.heard().contains(&"(dot)".to_owned()));

    let probe = send(account(server.port), &mail(r#", "body": "x""#)).probe();
    assert_eq!(probe, Ok(Probe::Unknown));
}

/// A mail to some of its readers makes the others wonder.
#[test]
fn one_refused_recipient_means_nobody_gets_it() {
    for (line, kind) in [
        ("450 4.2.1 later", "not done"),
        ("550 5.1.1 no such user", "failed"),
    ] {
        let server = faulty("<carol@example.com>", Wrong::Say(line));
        let args = mail(r#", "cc": ["carol@example.com", "dave@example.com"], "body": "x""#);
        let result = send(account(server.port), &args).perform();
        assert_eq!(words(result.clone()), (kind, "recipient refused"));
        let problem = problem(result);
        assert!(
            problem.message.contains("carol@example.com") && problem.message.contains(&line[4..9])
        );
        assert!(!problem.message.contains("dave"), "{problem}");
        assert_eq!(
            problem.details["refused"],
            Ipld::List(vec!["carol@example.com".into()])
        );
        let heard = server.heard();
        assert!(
            heard.ends_with(&["RSET".to_owned(), "QUIT".to_owned()]),
            "{heard:?}"
        );
        assert!(!heard.contains(&"DATA".to_owned()));
        assert!(server.mails().is_empty());
    }
}

/// What the account does not allow does not reach the server.
#[test]
fn what_is_not_granted_is_not_asked() {
    let server = Server::start(Setup::default());
    let with = |from: &str| SmtpAccount {
        from: vec![from.to_owned()],
        ..account(server.port)
    };
    let args = mail(r#", "body": "x""#);
    send(with("mailto:alice@EXAMPLE.com"), &args)
        .perform()
        .unwrap();
    server.heard();
    for other in ["bob@example.com", "Alice@example.com", "alice@example.org"] {
        let result = send(with(other), &args).perform();
        assert_eq!(words(result), ("refused", "sender not granted"), "{other}");
    }
    let mut closed = account(server.port);
    closed.allow_private.clear();
    assert_eq!(
        words(send(closed, &args).perform()),
        ("refused", "private address")
    );
    for bad in [
        mail(""),
        mail(r#", "body": {"/": {"bytes": "/w"}}"#),
        mail(r#", "body": "x", "priority": 1"#),
    ] {
        let result = send(account(server.port), &bad).perform();
        assert_eq!(words(result), ("refused", "bad arguments"), "{bad}");
    }
    let mut other = send(account(server.port), &args);
    other.command = "/msg/read";
    assert_eq!(words(other.perform()), ("refused", "not offered"));
    let stopped = Ask {
        cancel: &|| true,
        ..send(account(server.port), &args)
    };
    assert_eq!(stopped.perform(), Err(Fault::Cancelled));
    assert!(server.is_unheard());
    assert_eq!(server.mails().len(), 1);

    let wrong = SmtpAccount {
        from: vec!["Alice <a@b.c>".into()],
        ..account(1)
    };
    assert!(
        Account::Smtp(wrong)
            .check()
            .unwrap_err()
            .to_string()
            .starts_with("from")
    );
    let half = SmtpAccount {
        user: Some("me".into()),
        ..account(1)
    };
    assert!(
        Account::Smtp(half)
            .check()
            .unwrap_err()
            .to_string()
            .starts_with("user")
    );
}
