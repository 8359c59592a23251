//! Whom an encrypted connection is with.

use crate::ask::{Ask, at, local, words};
use crate::authority::Authority;
use crate::http_server::{Reply, Server};
use ipvm_effects::{Account, HttpAccount};

/// A server with a certificate of somebody else is somebody else.
#[test]
fn only_the_right_certificate_is_trusted() {
    let authority = Authority::new();
    let server = Server::start_tls(authority.server("localhost"), |_| Reply::ok("in"));
    let check = |roots: Option<&str>, host: &str| {
        let account = HttpAccount {
            roots: roots.map(str::to_owned),
            ..local()
        };
        let args = format!(
            r#"{{"uri": "https://{host}:{}/", "as": "text"}}"#,
            server.port
        );
        Ask::new("/crud/create", &args, Account::Http(account)).perform()
    };
    let result = check(Some(&authority.pem), "localhost").unwrap();
    assert_eq!(at(&result, "body"), &"in".into());
    assert_eq!(server.seen().len(), 1);

    let other = Authority::new();
    assert_eq!(
        words(check(Some(&other.pem), "localhost")),
        ("not done", "tls")
    );
    assert_eq!(
        words(check(Some(&authority.pem), "127.0.0.1")),
        ("not done", "tls")
    );
    assert_eq!(words(check(None, "localhost")), ("not done", "tls"));
    assert_eq!(server.seen().len(), 1);
}

/// A PEM that is none must be named when the account is made.
#[test]
fn roots_that_cannot_be_read_are_refused() {
    for roots in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let account = Account::Http(HttpAccount {
            roots: Some(roots.to_owned()),
            ..local()
        });
        assert!(
            account.check().unwrap_err().to_string().contains("roots"),
            "{roots:?}"
        );
    }
    let account = Account::Http(HttpAccount {
        roots: Some(Authority::new().pem),
        ..local()
    });
    assert_eq!(account.check(), Ok(()));
}
