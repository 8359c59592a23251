//! A workflow of somebody else must not reach what only this machine can reach.

use crate::ask::{Ask, local, words};
use crate::http_server::{Reply, Server};
use crate::raw::{Raw, wait_for_end};
use ipvm_effects::{Account, HttpAccount};

fn default_account(uri: &str) -> (&'static str, &'static str) {
    let args = format!(r#"{{"uri": "{uri}"}}"#);
    words(Ask::new("/crud/read", &args, Account::Http(HttpAccount::default())).perform())
}

/// Every way to write a private address, and a name for one, is refused before a connection is made.
#[test]
fn private_addresses_are_refused_however_they_are_written() {
    let server = Raw::start(|mut stream| wait_for_end(&mut stream));
    let port = server.port;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "①②⑦.0.0.1",
        "0",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0xa9fea9fe",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:0001]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fd00::1]",
        "[fe80::1]",
        "[ff02::1]",
        "localhost",
        "LOCALHOST",
    ] {
        for scheme in ["http", "https"] {
            let uri = format!("{scheme}://{host}:{port}/");
            assert_eq!(
                default_account(&uri),
                ("refused", "private address"),
                "{uri}"
            );
        }
    }
    assert_eq!(server.connections(), 0);
}

/// A grant is for what it names, and for nothing else on this machine.
#[test]
fn a_grant_opens_what_it_names() {
    let server = Server::start(|_| Reply::ok("in"));
    let check = |grant: String, uri: &str| {
        let account = HttpAccount {
            allow_private: vec![grant],
            ..HttpAccount::default()
        };
        Ask::new(
            "/crud/read",
            &format!(r#"{{"uri": "{uri}"}}"#),
            Account::Http(account),
        )
        .perform()
    };
    let port = server.port;
    let by_name = format!("http://localhost:{port}/");
    for grant in [
        format!("127.0.0.1:{port}"),
        "127.0.0.0/8".into(),
        "127.0.0.1".into(),
    ] {
        check(grant.clone(), &server.url("/")).unwrap();
        check(grant, &by_name).unwrap();
    }
    check("localhost".into(), &by_name).unwrap();
    let seen = server.seen().len();
    for (grant, uri) in [
        ("localhost".to_owned(), server.url("/")),
        ("127.0.0.2".to_owned(), server.url("/")),
        (format!("127.0.0.1:{}", port ^ 1), server.url("/")),
        (format!("localhost:{}", port ^ 1), by_name),
        ("10.0.0.0/8".to_owned(), server.url("/")),
    ] {
        let result = check(grant.clone(), &uri);
        assert_eq!(
            words(result),
            ("refused", "private address"),
            "{grant} for {uri}"
        );
    }
    assert_eq!(
        words(check("10.0.0.0/99".into(), &server.url("/"))),
        ("refused", "bad account")
    );
    assert_eq!(server.seen().len(), seen);
}

/// A public server must not be able to send a request to where it was not allowed to go.
#[test]
fn a_redirect_goes_nowhere_else_than_the_first_request_may() {
    let inner = Raw::start(|mut stream| wait_for_end(&mut stream));
    let port = inner.port;
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/v6" => Reply::to(302, &format!("http://[::1]:{port}/")),
        "/name" => Reply::to(302, &format!("http://localhost:{port}/")),
        "/mapped" => Reply::to(302, &format!("http://[::ffff:7f00:2]:{port}/")),
        "/meta" => Reply::to(307, "http://169.254.169.254/latest/meta-data"),
        _ => Reply::to(301, &format!("http://127.0.0.2:{port}/")),
    });
    for path in ["/v6", "/name", "/mapped", "/meta", "/"] {
        let account = HttpAccount {
            allow_private: vec![format!("127.0.0.1:{}", server.port)],
            ..HttpAccount::default()
        };
        let args = format!(r#"{{"uri": "{}"}}"#, server.url(path));
        let result = Ask::new("/crud/read", &args, Account::Http(account)).perform();
        assert_eq!(words(result), ("refused", "private address"), "{path}");
    }
    // Inside the account's hosts it stays inside them.
    let account = HttpAccount {
        hosts: Some(vec!["127.0.0.1".into()]),
        ..local()
    };
    let args = format!(r#"{{"uri": "{}"}}"#, server.url("/name"));
    let result = Ask::new("/crud/read", &args, Account::Http(account)).perform();
    assert_eq!(words(result), ("refused", "host not granted"));
    assert_eq!(inner.connections(), 0);
    assert_eq!(server.seen().len(), 6);
}
