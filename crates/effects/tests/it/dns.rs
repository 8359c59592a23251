//! DNS: what is read, what is changed, and what is said of a change without a good answer.

use crate::ask::{Ask, at, problem, words};
use crate::dns_server::{Fault as Wrong, SECRET, Server, name};
use crate::raw::closed_port;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, CAA, CNAME, MX, SRV, TXT};
use hickory_proto::rr::{RData, RecordType};
use ipvm_effects::{
    Account, Class, DnsAccount, Effects, Fault, Kind, Probe, Secret, TsigAlgorithm,
};
use ipvm_ipld::Ipld;
use std::time::Duration;

pub(crate) fn account(port: u16) -> DnsAccount {
    DnsAccount {
        server: Some(format!("127.0.0.1:{port}")),
        zone: Some("example.test".into()),
        key: Some("key.test".into()),
        algorithm: TsigAlgorithm::HmacSha256,
        secret: Some(Secret::new(SECRET)),
        unsigned: false,
        allow_private: vec!["127.0.0.1".into()],
    }
}

pub(crate) fn ask(port: u16, command: &'static str, uri: &str, rest: &str) -> Ask<'static> {
    let args = format!(r#"{{"uri": "dns:{uri}"{rest}}}"#);
    Ask::new(command, &args, Account::Dns(account(port)))
}

fn list(texts: &[&str]) -> Ipld {
    Ipld::List(texts.iter().map(|text| Ipld::from(*text)).collect())
}

fn text(text: &str) -> RData {
    RData::TXT(TXT::from_bytes(vec![text.as_bytes()]))
}

/// What is read decides what is done next.
#[test]
fn records_are_read_as_text() {
    let server = Server::start(None);
    let target = || name("mail.example.test");
    server.put("a.example.test", 60, RData::A(A::new(192, 0, 2, 7)));
    server.put("a.example.test", 60, RData::A(A::new(192, 0, 2, 5)));
    server.put(
        "t.example.test",
        7,
        RData::TXT(TXT::from_bytes(vec![b"v=1; ", "größe".as_bytes()])),
    );
    server.put("c.example.test", 7, RData::CNAME(CNAME(target())));
    server.put("m.example.test", 7, RData::MX(MX::new(10, target())));
    server.put(
        "s.example.test",
        7,
        RData::SRV(SRV::new(1, 2, 443, target())),
    );
    server.put(
        "i.example.test",
        7,
        RData::CAA(CAA::new_issue(false, Some(name("ca.test")), Vec::new())),
    );
    let read = |uri: &str| ask(server.port, "/crud/read", uri, "").perform().unwrap();
    let check = |uri: &str, texts: &[&str], ttl: i128| {
        let result = read(uri);
        assert_eq!(at(&result, "records"), &list(texts), "{uri}");
        assert_eq!(at(&result, "ttl"), &Ipld::Integer(ttl), "{uri}");
    };
    check("A.example.test?TYPE=A", &["192.0.2.5", "192.0.2.7"], 60);
    check("a.example.test", &["192.0.2.5", "192.0.2.7"], 60);
    check("t.example.test?TYPE=TXT", &["v=1; größe"], 7);
    check("c.example.test?TYPE=CNAME", &["mail.example.test."], 7);
    check("m.example.test?TYPE=MX", &["10 mail.example.test."], 7);
    check(
        "s.example.test?TYPE=SRV",
        &["1 2 443 mail.example.test."],
        7,
    );
    check("i.example.test?TYPE=CAA", &["0 issue \"ca.test.\""], 7);
    check("a.example.test?TYPE=TXT", &[], 0);
    check(
        &format!("//127.0.0.1:{}/a.example.test", server.port),
        &["192.0.2.5", "192.0.2.7"],
        60,
    );

    let gone = ask(server.port, "/crud/read", "none.example.test", "").perform();
    assert_eq!(words(gone.clone()), ("failed", "dns status"));
    assert_eq!(problem(gone).details["code"], "NXDOMAIN".into());
    for (code, kind) in [
        (ResponseCode::ServFail, "not done"),
        (ResponseCode::Refused, "failed"),
    ] {
        let server = Server::start(Some(Wrong::Code(code)));
        let result = ask(server.port, "/crud/read", "a.example.test", "").perform();
        assert_eq!(words(result), (kind, "dns status"));
        assert!(server.queries() > 0);
    }
    let mut silent = ask(
        Server::start(Some(Wrong::Silence)).port,
        "/crud/read",
        "a.example.test",
        "",
    );
    silent.limits.time = Duration::from_millis(200);
    assert_eq!(words(silent.perform()), ("not done", "timeout"));
}

/// A record set is created only where there is none, replaced whole, and removed whole.
#[test]
fn record_sets_are_changed_whole() {
    let server = Server::start(None);
    let change =
        |command, rest: &str| ask(server.port, command, "t.example.test?TYPE=TXT", rest).perform();
    let there = || server.data("t.example.test", RecordType::TXT);
    let long = "ü".repeat(300);

    let result = change("/crud/create", r#", "value": "one", "ttl": 60"#).unwrap();
    assert_eq!(at(&result, "records"), &list(&["one"]));
    assert_eq!(at(&result, "ttl"), &Ipld::Integer(60));
    assert_eq!(there(), [text("one")]);
    let again = change("/crud/create", r#", "value": "two""#);
    assert_eq!(words(again.clone()), ("failed", "dns status"));
    assert_eq!(problem(again).details["code"], "YXRRSET".into());
    assert_eq!(there(), [text("one")]);

    change("/crud/update", &format!(r#", "value": ["two", "{long}"]"#)).unwrap();
    assert_eq!(there().len(), 2);
    let read = ask(server.port, "/crud/read", "t.example.test?TYPE=TXT", "")
        .perform()
        .unwrap();
    assert_eq!(at(&read, "records"), &list(&["two", &long]));
    assert_eq!(at(&read, "ttl"), &Ipld::Integer(300));
    change("/crud/update", r#", "value": "three""#).unwrap();
    change("/crud/update", r#", "value": "three""#).unwrap();
    assert_eq!(there(), [text("three")]);

    server.put("t.example.test", 60, RData::A(A::new(192, 0, 2, 7)));
    change("/crud/delete", "").unwrap();
    change("/crud/delete", "").unwrap();
    assert_eq!(there(), []);
    assert_eq!(server.data("t.example.test", RecordType::A).len(), 1);
    assert_eq!(server.updates(), 7);
}

/// A change without an answer that its server signed may have been made.
#[test]
fn a_change_without_a_good_answer_may_be_made() {
    for (fault, kind, reason) in [
        (Wrong::Close, "unknown", "connection broke"),
        (Wrong::Silence, "unknown", "timeout"),
        (Wrong::Unsigned, "unknown", "unusable answer"),
        (Wrong::OtherKey, "unknown", "unusable answer"),
        (Wrong::OtherId, "unknown", "unusable answer"),
        (Wrong::Nonsense, "unknown", "unusable answer"),
        (
            Wrong::Code(ResponseCode::ServFail),
            "not done",
            "dns status",
        ),
        (Wrong::Code(ResponseCode::Refused), "failed", "dns status"),
        (Wrong::Code(ResponseCode::NXRRSet), "failed", "dns status"),
        (Wrong::BadKey, "failed", "dns status"),
    ] {
        let server = Server::start(Some(fault.clone()));
        let mut change = ask(
            server.port,
            "/crud/create",
            "t.example.test?TYPE=TXT",
            r#", "value": "x""#,
        );
        change.limits.time = Duration::from_secs(2);
        assert_eq!(words(change.perform()), (kind, reason), "{fault:?}");
        assert_eq!(server.updates(), 1, "{fault:?}");
        let made = server.data("t.example.test", RecordType::TXT).len() == 1;
        assert_eq!(made, kind == "unknown", "{fault:?}");
    }
    let nobody = ask(closed_port(), "/crud/delete", "t.example.test", "");
    assert_eq!(words(nobody.perform()), ("not done", "not connected"));
    let stopped = Ask {
        cancel: &|| true,
        ..nobody
    };
    assert_eq!(stopped.perform(), Err(Fault::Cancelled));
}

/// After a creation without an answer, the records themselves tell.
#[test]
fn a_probe_looks_at_the_records() {
    let server = Server::start(None);
    let create = ask(
        server.port,
        "/crud/create",
        "t.example.test?TYPE=TXT",
        r#", "value": ["b", "a"]"#,
    );
    assert_eq!(create.probe(), Ok(Probe::NotDone));
    server.put("t.example.test", 60, RData::A(A::new(192, 0, 2, 7)));
    assert_eq!(create.probe(), Ok(Probe::NotDone));
    server.put("t.example.test", 60, text("b"));
    assert_eq!(create.probe(), Ok(Probe::Unknown));
    server.put("t.example.test", 60, text("a"));
    let Ok(Probe::Done(result)) = create.probe() else {
        panic!("it is done")
    };
    assert_eq!(at(&result, "records"), &list(&["a", "b"]));
    assert!(create.perform().is_err());
    let replace = ask(
        server.port,
        "/crud/update",
        "t.example.test?TYPE=TXT",
        r#", "value": "a""#,
    );
    assert_eq!(replace.probe(), Ok(Probe::NotDone));
    let lost = Server::start(Some(Wrong::Code(ResponseCode::ServFail)));
    let create = ask(
        lost.port,
        "/crud/create",
        "t.example.test?TYPE=TXT",
        r#", "value": "a""#,
    );
    assert_eq!(
        create
            .probe()
            .map_err(|fault| matches!(fault, Fault::NotDone(..))),
        Err(true)
    );
}

/// What the account does not allow does not reach the server.
#[test]
fn what_is_not_granted_is_not_asked() {
    let server = Server::start(None);
    let with = |change: &dyn Fn(&mut DnsAccount), command: &'static str, uri: &str| {
        let mut account = account(server.port);
        change(&mut account);
        let value = if command == "/crud/update" {
            r#", "value": "192.0.2.1""#
        } else {
            ""
        };
        Ask::new(
            command,
            &format!(r#"{{"uri": "dns:{uri}"{value}}}"#),
            Account::Dns(account),
        )
        .perform()
    };
    let check = |change: &dyn Fn(&mut DnsAccount), command, uri: &str, reason| {
        assert_eq!(
            words(with(change, command, uri)),
            ("refused", reason),
            "{command} {uri}"
        );
    };
    let as_is = |_: &mut DnsAccount| {};
    check(&as_is, "/crud/update", "a.example.com", "name not granted");
    check(
        &as_is,
        "/crud/update",
        "notexample.test",
        "name not granted",
    );
    check(&as_is, "/crud/update", "test", "name not granted");
    check(
        &as_is,
        "/crud/read",
        "//192.0.2.1/a.example.test",
        "server not granted",
    );
    check(
        &as_is,
        "/crud/read",
        "//127.0.0.1/a.example.test",
        "server not granted",
    );
    check(
        &as_is,
        "/crud/update",
        "a.example.test?TYPE=MX",
        "bad arguments",
    );
    check(
        &|a| a.zone = None,
        "/crud/update",
        "a.example.test",
        "not offered",
    );
    check(
        &|a| {
            a.key = None;
            a.secret = None
        },
        "/crud/delete",
        "a.example.test",
        "not offered",
    );
    check(
        &|a| a.allow_private.clear(),
        "/crud/update",
        "a.example.test",
        "private address",
    );
    check(
        &|a| a.allow_private.clear(),
        "/crud/read",
        "a.example.test",
        "private address",
    );
    check(
        &|a| a.secret = Some(Secret::new("!")),
        "/crud/read",
        "a.example.test",
        "bad account",
    );
    check(&as_is, "/crud/list", "a.example.test", "not offered");
    assert_eq!((server.updates(), server.queries()), (0, 0));

    with(
        &|a| {
            a.key = None;
            a.secret = None;
            a.unsigned = true
        },
        "/crud/update",
        "a.example.test",
    )
    .unwrap();
    assert_eq!(server.updates(), 1);

    let effects = Effects::new();
    let class = |account: DnsAccount, command: &str| {
        effects
            .provider(Kind::Dns)
            .class(&command.parse().unwrap(), &Account::Dns(account))
    };
    assert_eq!(
        class(DnsAccount::default(), "/crud/read"),
        Some(Class::Query)
    );
    assert_eq!(class(DnsAccount::default(), "/crud/update"), None);
    assert_eq!(class(account(1), "/crud/update"), Some(Class::Idempotent));
    assert_eq!(class(account(1), "/crud/delete"), Some(Class::Idempotent));
    assert_eq!(class(account(1), "/crud/create"), Some(Class::Mutation));
}

/// `ipvm provider test` tries the key without a change.
#[test]
fn an_account_can_be_tried() {
    let server = Server::start(None);
    let test = |account: DnsAccount| {
        Effects::new()
            .provider(Kind::Dns)
            .test(&Account::Dns(account))
    };
    assert!(
        test(account(server.port))
            .unwrap()
            .contains("takes updates of example.test")
    );
    let mut wrong = account(server.port);
    wrong.secret = Some(Secret::new("b3RoZXI="));
    let problem = test(wrong).unwrap_err();
    assert!(problem.message.contains("BADSIG"), "{problem}");
    let mut reader = account(server.port);
    reader.zone = None;
    assert!(test(reader).unwrap().contains("answers"));
    assert!(test(account(closed_port())).is_err());
    assert_eq!(server.updates(), 2);
    for (field, change) in [
        (
            "server",
            (|a| a.server = Some("a b".into())) as fn(&mut DnsAccount),
        ),
        ("zone", |a| a.zone = Some("a b".into())),
        ("key", |a| a.secret = Some(Secret::new("!"))),
        ("key", |a| a.secret = None),
    ] {
        let mut account = account(1);
        change(&mut account);
        let error = Account::Dns(account).check().unwrap_err().to_string();
        assert!(error.starts_with(field), "{error}");
    }
}
