//! What goes out and what comes back.

use crate::ask::{Ask, at, http, local, problem, task, words};
use crate::http_server::{Reply, Server};
use ipvm_effects::{Account, Content, Effects, Fault, HttpAccount, HttpAuth, Kind, Secret};
use ipvm_ipld::{Cid, Ipld, cid_of, codec};
use std::time::Duration;

fn echo() -> Server {
    Server::start(|_| {
        Reply(
            201,
            vec![("X-Two".into(), "b".into())],
            b"{\"a\":[1,2]}".to_vec(),
        )
    })
}

fn args(server: &Server, rest: &str) -> String {
    format!(r#"{{"uri": "{}"{rest}}}"#, server.url("/p?q=1"))
}

/// A command that arrives as another method does another thing to the world; a write without its key is not recognised
/// when it comes again.
#[test]
fn every_command_is_its_method() {
    let server = echo();
    for (command, method, key) in [
        ("/crud/read", "GET", ""),
        ("/crud/create", "POST", &*task().to_string()),
        ("/crud/update", "PUT", &*task().to_string()),
        ("/crud/delete", "DELETE", &*task().to_string()),
    ] {
        let result = http(command, &args(&server, "")).unwrap();
        assert_eq!(at(&result, "status"), &Ipld::Integer(201));
        assert_eq!(at(&result, "body"), &Ipld::Bytes(b"{\"a\":[1,2]}".to_vec()));
        assert_eq!(at(at(&result, "headers"), "x-two"), &"b".into());
        let seen = server.seen().pop().unwrap();
        assert_eq!(
            (seen.method.as_str(), seen.path.as_str()),
            (method, "/p?q=1")
        );
        assert_eq!(seen.header("idempotency-key"), key, "{command}");
        assert_eq!(seen.header("host"), format!("127.0.0.1:{}", server.port));
        for absent in ["authorization", "cookie", "referer", "accept-encoding"] {
            assert_eq!(seen.header(absent), "", "{absent}");
        }
    }
    assert_eq!(server.seen().len(), 4);
}

struct Hello;

impl Content for Hello {
    fn read(&self, cid: &Cid, _: u64) -> Result<Vec<u8>, String> {
        self.block(cid)
    }

    fn block(&self, cid: &Cid) -> Result<Vec<u8>, String> {
        if *cid == cid_of(codec::RAW, b"hello") {
            return Ok(b"hello".to_vec());
        }
        Err(format!("{cid} is not here"))
    }
}

/// Bodies of the wrong form or type are what the far side stores from then on.
#[test]
fn bodies_go_out_as_what_they_are() {
    let server = echo();
    let check = |body: &str, headers: &str, sent: &[u8], kind: &str| {
        let mut ask = Ask::new(
            "/crud/update",
            &args(&server, &format!(r#", "body": {body}{headers}"#)),
            Account::Http(local()),
        );
        ask.content = &Hello;
        ask.perform().unwrap();
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.body, sent, "{body}");
        assert_eq!(seen.header("content-type"), kind, "{body}");
    };
    let link = format!(r#"{{"/": "{}"}}"#, cid_of(codec::RAW, b"hello"));
    check(
        r#""grüße""#,
        "",
        "grüße".as_bytes(),
        "text/plain; charset=utf-8",
    );
    check(
        r#"{"/": {"bytes": "AAEC"}}"#,
        "",
        &[0, 1, 2],
        "application/octet-stream",
    );
    check(&link, "", b"hello", "application/octet-stream");
    check(
        r#"{"b": [1, null], "a": 1.5}"#,
        "",
        br#"{"a":1.5,"b":[1,null]}"#,
        "application/json",
    );
    check("null", "", b"null", "application/json");
    check(
        r#""<x/>""#,
        r#", "headers": {"Content-Type": "text/xml"}"#,
        b"<x/>",
        "text/xml",
    );

    let other = format!(r#"{{"/": "{}"}}"#, cid_of(codec::RAW, b"other"));
    let before = server.seen().len();
    let result = http(
        "/crud/update",
        &args(&server, &format!(r#", "body": {other}"#)),
    );
    assert_eq!(words(result), ("not done", "missing content"));
    assert_eq!(server.seen().len(), before);
}

/// A body given back as something else than asked for breaks the function that awaits it.
#[test]
fn bodies_come_back_as_asked_for() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/empty" => Reply(204, Vec::new(), Vec::new()),
        "/latin" => Reply(200, Vec::new(), vec![0xe9]),
        "/json" => Reply::ok(r#"{"b": 1, "a": [1.5, true]}"#),
        _ => Reply::ok("text"),
    });
    let check = |path: &str, give: &str| {
        http(
            "/crud/read",
            &format!(r#"{{"uri": "{}", "as": "{give}"}}"#, server.url(path)),
        )
    };
    let body = |path, give| at(&check(path, give).unwrap(), "body").clone();
    assert_eq!(body("/", "text"), "text".into());
    assert_eq!(body("/", "bytes"), Ipld::Bytes(b"text".to_vec()));
    assert_eq!(body("/latin", "bytes"), Ipld::Bytes(vec![0xe9]));
    let list = Ipld::List(vec![1.5.into(), true.into()]);
    assert_eq!(at(&body("/json", "json"), "a"), &list);
    assert_eq!(body("/empty", "json"), Ipld::Null);
    assert_eq!(body("/empty", "text"), "".into());
    assert_eq!(
        words(check("/latin", "text")),
        ("failed", "unexpected body")
    );
    assert_eq!(words(check("/", "json")), ("failed", "unexpected body"));
    // What awaits it is often a function that takes the body alone.
    let only = check("/json", "json\", \"only\": \"body").unwrap();
    assert_eq!(at(&only, "a"), &list);
}

/// An error of the far side is the result, with what it says; being told to come back is not.
#[test]
fn other_answers_than_success_are_told_apart() {
    let server = Server::start(|seen| {
        let path = seen.path.trim_start_matches('/');
        let (status, after) = path.split_once('/').unwrap_or((path, ""));
        let mut reply = Reply::status(status.parse().unwrap());
        if !after.is_empty() {
            reply.1.push(("retry-after".into(), after.into()));
        }
        reply
    });
    let account = |idempotency| HttpAccount {
        idempotency,
        ..local()
    };
    let ask = |command: &str, path: &str, idempotency| {
        Ask::new(
            command,
            &format!(r#"{{"uri": "{}"}}"#, server.url(path)),
            Account::Http(account(idempotency)),
        )
        .perform()
    };
    for status in [301, 304, 400, 401, 404, 409, 410, 500, 501] {
        let fault = ask("/crud/update", &format!("/{status}"), false);
        assert!(
            matches!(fault, Err(Fault::Failed(_))),
            "{status}: {fault:?}"
        );
        let problem = problem(fault);
        assert_eq!(problem.reason, "http status");
        assert_eq!(problem.details["status"], Ipld::Integer(status));
        if status != 304 {
            assert_eq!(problem.details["body"], "what is said of it".into());
        }
        assert_eq!(at(&problem.to_ipld(), "reason"), &"http status".into());
    }
    let after = |command, path: &str, idempotency| match ask(command, path, idempotency) {
        Err(Fault::NotDone(problem, after)) => {
            assert_eq!(problem.reason, "http status");
            after
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(after("/crud/create", "/429", false), None);
    assert_eq!(
        after("/crud/create", "/429/7", false),
        Some(Duration::from_secs(7))
    );
    assert_eq!(
        after("/crud/create", "/503/7", false),
        Some(Duration::from_secs(7))
    );
    assert_eq!(after("/crud/create", "/503", true), None);
    assert_eq!(after("/crud/update", "/503", false), None);
    assert_eq!(after("/crud/read", "/503", false), None);
    // A proxy says it of requests that it passed on.
    for status in ["/503", "/502", "/504"] {
        assert_eq!(
            words(ask("/crud/create", status, false)),
            ("unknown", "http status")
        );
    }
}

/// A secret in a wrong place is everybody's.
#[test]
fn credentials_reach_their_server_and_no_message() {
    let server = Server::start(|seen| {
        let echo = format!("{:?}", seen.headers);
        Reply(403, vec![("x".into(), "y".into())], echo.into_bytes())
    });
    let check = |auth: HttpAuth, header: &str, value: &str| {
        let account = HttpAccount {
            auth,
            hosts: Some(vec![format!("127.0.0.1:{}", server.port)]),
            ..local()
        };
        let ask = Ask::new(
            "/crud/read",
            &args(&server, ""),
            Account::Http(account.clone()),
        );
        let fault = ask.perform().unwrap_err();
        assert_eq!(server.seen().pop().unwrap().header(header), value);
        for text in [
            format!("{fault:?}"),
            fault.to_string(),
            format!("{account:?}"),
        ] {
            assert!(!text.contains("s3cret"), "{text}");
        }
    };
    let secret = || Secret::new("s3cret");
    check(HttpAuth::Bearer(secret()), "authorization", "Bearer s3cret");
    check(
        HttpAuth::Basic("me".into(), secret()),
        "authorization",
        "Basic bWU6czNjcmV0",
    );
    check(
        HttpAuth::Header("X-Api-Key".into(), secret()),
        "x-api-key",
        "s3cret",
    );
}

/// An account's limits to hosts are what a person relied on when the secret was put in.
#[test]
fn an_account_serves_the_hosts_it_names() {
    let server = echo();
    let check = |hosts: Option<&str>, auth| {
        let account = HttpAccount {
            hosts: hosts.map(|host| vec![host.to_owned()]),
            auth,
            ..local()
        };
        Ask::new("/crud/create", &args(&server, ""), Account::Http(account)).perform()
    };
    let port = server.port;
    check(Some("127.0.0.1"), HttpAuth::None).unwrap();
    check(Some(&format!("127.0.0.1:{port}")), HttpAuth::None).unwrap();
    assert_eq!(server.seen().len(), 2);
    for other in ["localhost", "127.0.0.1:1", "example.com", "7.0.0.1"] {
        let result = check(Some(other), HttpAuth::None);
        assert_eq!(words(result), ("refused", "host not granted"), "{other}");
    }
    let result = check(None, HttpAuth::Bearer(Secret::new("x")));
    assert_eq!(words(result), ("refused", "bad account"));
    assert_eq!(server.seen().len(), 2);
}

/// `ipvm provider test` must not say that an account works when its secret does not.
#[test]
fn an_account_can_be_tried() {
    let server = Server::start(|seen| match seen.header("authorization") {
        "Bearer right" => Reply::ok(""),
        _ => Reply::status(401),
    });
    let effects = Effects::new();
    let test = |secret: &str| {
        effects
            .provider(Kind::Http)
            .test(&Account::Http(HttpAccount {
                hosts: Some(vec![format!("127.0.0.1:{}", server.port)]),
                auth: HttpAuth::Bearer(Secret::new(secret)),
                ..local()
            }))
    };
    assert!(test("right").unwrap().contains("200"));
    assert!(test("wrong").unwrap_err().message.contains("not accepted"));
    assert!(server.seen().iter().all(|seen| seen.method == "HEAD"));
}
