//! What is said when there is no answer. A wrong word here is a payment made twice, or never.

use crate::ask::{Ask, at, http, local, words};
use crate::authority::Authority;
use crate::http_server::{Reply, Server};
use crate::raw::{Raw, closed_port, read_head, wait_for_end};
use ipvm_effects::{Account, Fault, HttpAccount, HttpAuth, Probe, Secret};
use ipvm_ipld::Ipld;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_rustls::rustls::{ServerConnection, StreamOwned};

fn create(uri: &str) -> Ask<'static> {
    Ask::new(
        "/crud/create",
        &format!(r#"{{"uri": "{uri}", "body": "x"}}"#),
        Account::Http(local()),
    )
}

/// What never left was not done, and may be tried again.
#[test]
fn before_anything_has_left_nothing_is_done() {
    let nobody = create(&format!("http://127.0.0.1:{}/", closed_port()));
    assert_eq!(words(nobody.perform()), ("not done", "not connected"));

    // The server takes the connection and lets TLS wait.
    let silent = Raw::start(|mut stream| wait_for_end(&mut stream));
    let mut waiting = create(&format!("https://127.0.0.1:{}/", silent.port));
    waiting.limits.time = Duration::from_millis(300);
    assert_eq!(words(waiting.perform()), ("not done", "timeout"));
    assert_eq!(silent.connections(), 1);

    // It speaks, but not TLS.
    let plain = Raw::start(|mut stream| {
        let _ = stream.write_all(b"220 hello\r\n");
        wait_for_end(&mut stream);
    });
    let confused = create(&format!("https://127.0.0.1:{}/", plain.port));
    assert_eq!(words(confused.perform()), ("not done", "tls"));
    assert_eq!(plain.connections(), 1);

    let stopped = create(&plain.url("/"));
    let stopped = Ask {
        cancel: &|| true,
        ..stopped
    };
    assert_eq!(words(stopped.perform()), ("cancelled", ""));
    assert_eq!(plain.connections(), 1);
}

/// A server that says to ask again at another place of its own has done nothing; what counts is the second request.
#[test]
fn a_request_that_was_sent_elsewhere_is_not_done() {
    let authority = Authority::new();
    let config = Arc::new(authority.server("localhost"));
    let first = AtomicBool::new(true);
    let server = Raw::start(move |mut stream| {
        if !first.swap(false, Ordering::SeqCst) {
            // The second connection is never encrypted, so that nothing leaves over it.
            return wait_for_end(&mut stream);
        }
        let session = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(session, stream);
        assert!(read_head(&mut stream).starts_with("POST / "));
        stream
            .write_all(b"HTTP/1.1 307 There\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
    });
    let mut ask = create(&format!("https://localhost:{}/", server.port));
    let account = HttpAccount {
        roots: Some(authority.pem),
        ..local()
    };
    ask.account = Account::Http(account);
    ask.limits.time = Duration::from_secs(2);
    assert_eq!(words(ask.perform()), ("not done", "timeout"));
    assert_eq!(server.connections(), 2);
}

/// What has left may have been done, whatever happened then.
#[test]
fn once_the_request_has_left_it_may_be_done() {
    let closing = Raw::start(|mut stream| {
        assert!(read_head(&mut stream).starts_with("POST /"));
    });
    assert_eq!(
        words(create(&closing.url("/")).perform()),
        ("unknown", "connection broke")
    );

    let cut = Raw::start(|mut stream| {
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            .unwrap();
    });
    let fault = create(&cut.url("/")).perform();
    assert_eq!(words(fault.clone()), ("unknown", "connection broke"));
    let problem = crate::ask::problem(fault);
    assert_eq!(problem.details["status"], Ipld::Integer(200));

    let nonsense = Raw::start(|mut stream| {
        read_head(&mut stream);
        stream.write_all(b"220 smtp here\r\n").unwrap();
        wait_for_end(&mut stream);
    });
    assert_eq!(
        words(create(&nonsense.url("/")).perform()),
        ("unknown", "connection broke")
    );

    let silent = Raw::start(|mut stream| wait_for_end(&mut stream));
    let mut waiting = create(&silent.url("/"));
    waiting.limits.time = Duration::from_secs(1);
    assert_eq!(words(waiting.perform()), ("unknown", "timeout"));
    for server in [closing, cut, nonsense, silent] {
        assert_eq!(server.connections(), 1, "it was tried again");
    }
}

/// A person who stops a run waits for this.
#[test]
fn cancelling_ends_it_at_once_and_says_what_may_be() {
    let seen = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&seen);
    let server = Raw::start(move |mut stream| {
        read_head(&mut stream);
        told.store(true, Ordering::SeqCst);
        wait_for_end(&mut stream);
    });
    let ask = create(&server.url("/"));
    let asked_since = std::sync::Mutex::new(None);
    let cancel = || {
        let stop = seen.load(Ordering::SeqCst);
        if stop {
            asked_since.lock().unwrap().get_or_insert_with(Instant::now);
        }
        stop
    };
    let ask = Ask {
        cancel: &cancel,
        ..ask
    };
    assert_eq!(words(ask.perform()), ("unknown", "cancelled"));
    let since = asked_since.lock().unwrap().unwrap();
    // It takes about 50 ms; a busy machine may take longer, but not as long as the server.
    assert!(since.elapsed() < Duration::from_secs(2));
}

/// An answer without end must not fill the memory, nor one with an endless head.
#[test]
fn answers_are_bounded() {
    let server = Server::start(|_| Reply(200, Vec::new(), vec![7; 100_000]));
    let mut ask = Ask::new(
        "/crud/read",
        &format!(r#"{{"uri": "{}"}}"#, server.url("/")),
        Account::Http(local()),
    );
    ask.limits.output = 100_000;
    assert_eq!(
        at(&ask.perform().unwrap(), "body"),
        &Ipld::Bytes(vec![7; 100_000])
    );
    ask.limits.output = 99_999;
    assert_eq!(words(ask.perform()), ("failed", "too large"));

    let endless = Raw::start(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(&[b'a'; 1000]).is_ok() {}
    });
    let result = http(
        "/crud/read",
        &format!(r#"{{"uri": "{}"}}"#, endless.url("/")),
    );
    assert_eq!(words(result), ("unknown", "connection broke"));

    let body = Raw::start(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream.write_all(b"3\r\nabc\r\n").is_ok() {}
    });
    let problem = crate::ask::problem(http(
        "/crud/read",
        &format!(r#"{{"uri": "{}"}}"#, body.url("/")),
    ));
    assert_eq!(problem.reason, "http status");
    assert_eq!(
        problem.details["body"],
        "abc".repeat(6000)[..16 << 10].into()
    );
}

/// Reads follow redirects, a few; what writes follows only where its server says that nothing was done.
#[test]
fn redirects_are_followed_with_care() {
    let other = Server::start(|_| Reply::ok("other"));
    let there = other.url("/x");
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/end" => Reply::ok(&format!(
            "{} {}",
            seen.method,
            String::from_utf8_lossy(&seen.body)
        )),
        "/loop" => Reply::to(302, "/loop"),
        "/other" => Reply::to(307, &there),
        "/odd" => Reply::to(302, "ftp://example.com/"),
        path => Reply::to(path[1..].parse().unwrap(), "/end"),
    });
    let ask = |command: &str, path: &str| {
        let body = if command == "/crud/create" {
            r#", "body": "b""#
        } else {
            ""
        };
        let account = HttpAccount {
            hosts: Some(vec!["127.0.0.1".into()]),
            auth: HttpAuth::Bearer(Secret::new("s3cret")),
            ..local()
        };
        let args = format!(r#"{{"uri": "{}"{body}}}"#, server.url(path));
        Ask::new(command, &args, Account::Http(account)).perform()
    };
    for status in ["/301", "/302", "/303", "/307", "/308"] {
        let result = ask("/crud/read", status).unwrap();
        assert_eq!(at(&result, "body"), &Ipld::Bytes(b"GET ".to_vec()));
    }
    for status in ["/307", "/308"] {
        let result = ask("/crud/create", status).unwrap();
        assert_eq!(at(&result, "body"), &Ipld::Bytes(b"POST b".to_vec()));
        assert_eq!(
            server.seen().pop().unwrap().header("authorization"),
            "Bearer s3cret"
        );
    }
    for status in ["/301", "/302", "/303", "/other"] {
        let before = server.seen().len();
        let result = ask("/crud/create", status);
        assert_eq!(words(result), ("failed", "http status"), "{status}");
        assert_eq!(server.seen().len(), before + 1);
    }
    assert!(other.seen().is_empty());
    // Another port is another origin: it is asked, but not told the secret.
    ask("/crud/read", "/other").unwrap();
    assert_eq!(other.seen().pop().unwrap().header("authorization"), "");

    assert_eq!(
        words(ask("/crud/read", "/odd")),
        ("refused", "redirect refused")
    );
    let before = server.seen().len();
    assert_eq!(
        words(ask("/crud/read", "/loop")),
        ("failed", "too many redirects")
    );
    assert_eq!(server.seen().len(), before + 6);
}

/// Whether a creation of unknown outcome may be repeated hangs on this answer alone.
#[test]
fn a_probe_promises_what_the_account_promises() {
    let probe = |command: &str, idempotency| {
        let account = HttpAccount {
            idempotency,
            ..local()
        };
        Ask::new(
            command,
            r#"{"uri": "http://127.0.0.1:1/"}"#,
            Account::Http(account),
        )
        .probe()
    };
    assert_eq!(probe("/crud/create", false), Ok(Probe::Unknown));
    for (command, idempotency) in [
        ("/crud/create", true),
        ("/crud/update", false),
        ("/crud/delete", false),
        ("/crud/read", false),
    ] {
        assert_eq!(probe(command, idempotency), Ok(Probe::NotDone), "{command}");
    }
    assert!(matches!(
        Ask::new(
            "/crud/create",
            r#"{"uri": "http://127.0.0.1:1/"}"#,
            Account::File(Default::default())
        )
        .perform(),
        Err(Fault::Refused(_))
    ));
}
