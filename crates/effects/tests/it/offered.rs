//! Which provider does what.

use crate::ask::Ask;
use ipvm_effects::{
    Account, Class, DnsAccount, Effects, Fault, HttpAccount, Kind, SmtpAccount, SmtpTls,
    provider_for,
};
use ipvm_ipld::Ipld;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn kind(command: &str, uri: &str) -> Option<Kind> {
    let args = BTreeMap::from([("uri".to_owned(), Ipld::from(uri))]);
    provider_for(&command.parse().unwrap(), &args)
}

/// A command that reaches the wrong provider, or none, is not what was allowed.
#[test]
fn the_scheme_says_who_performs_it() {
    assert_eq!(kind("/crud/read", "https://a"), Some(Kind::Http));
    assert_eq!(kind("/crud/delete", "HTTP://a"), Some(Kind::Http));
    assert_eq!(kind("/crud/update", "dns:a?TYPE=A"), Some(Kind::Dns));
    assert_eq!(kind("/crud/read", "file:///a"), Some(Kind::File));
    assert_eq!(kind("/crud/read", "ipfs://a"), Some(Kind::Ipfs));
    assert_eq!(kind("/msg/send", "x"), Some(Kind::Smtp));
    for (command, uri) in [
        ("/crud", "https://a"),
        ("/crud/list", "https://a"),
        ("/crud/read/more", "https://a"),
        ("/msg", "https://a"),
        ("/crud/read", "gopher://a"),
        ("/crud/read", "https"),
        ("/wasm/run", "https://a"),
    ] {
        assert_eq!(kind(command, uri), None, "{command} {uri}");
    }
    assert_eq!(
        provider_for(&"/crud/read".parse().unwrap(), &BTreeMap::new()),
        None
    );
}

/// Retry and recovery follow from the class.
#[test]
fn classes_say_what_repeating_does() {
    let effects = Effects::new();
    let class = |kind, command: &str, account: &Account| {
        effects
            .provider(kind)
            .class(&command.parse().unwrap(), account)
    };
    let http = Account::Http(Default::default());
    let file = Account::File(Default::default());
    assert_eq!(class(Kind::Http, "/crud/read", &http), Some(Class::Query));
    assert_eq!(
        class(Kind::Http, "/crud/create", &http),
        Some(Class::Mutation)
    );
    assert_eq!(
        class(Kind::Http, "/crud/update", &http),
        Some(Class::Idempotent)
    );
    assert_eq!(
        class(Kind::Http, "/crud/delete", &http),
        Some(Class::Idempotent)
    );
    assert_eq!(class(Kind::Http, "/msg/send", &http), None);
    assert_eq!(class(Kind::Http, "/crud/read", &file), None);
    assert_eq!(class(Kind::File, "/crud/read", &file), Some(Class::Query));
    assert_eq!(class(Kind::File, "/crud/update", &file), None);
}

/// Accounts with which nothing is allowed.
fn closed(kind: Kind) -> Account {
    let nobody = "nobody@nowhere.test";
    match kind {
        Kind::Http => Account::Http(HttpAccount {
            hosts: Some(Vec::new()),
            ..HttpAccount::default()
        }),
        Kind::Smtp => Account::Smtp(SmtpAccount {
            server: "127.0.0.1".into(),
            port: 1,
            tls: SmtpTls::None,
            user: None,
            secret: None,
            from: vec![nobody.into()],
            allow_private: Vec::new(),
            roots: None,
        }),
        Kind::Dns => Account::Dns(DnsAccount {
            server: Some("127.0.0.1:1".into()),
            zone: Some("nowhere.test".into()),
            unsigned: true,
            ..DnsAccount::default()
        }),
        Kind::File => Account::File(Default::default()),
        Kind::Ipfs => Account::Ipfs(Default::default()),
    }
}

fn value() -> impl Strategy<Value = Ipld> {
    let text = prop_oneof![
        "\\PC{0,12}",
        "(https?|dns|file|ipfs|mailto):(//)?[a-z0-9.@/?=%:]{0,16}",
        Just("a@b.test".to_owned()),
        Just("text".to_owned()),
    ];
    let leaf = prop_oneof![
        3 => text.prop_map(Ipld::String),
        1 => any::<i64>().prop_map(|i| Ipld::Integer(i.into())),
        1 => proptest::collection::vec(any::<u8>(), 0..8).prop_map(Ipld::Bytes),
        1 => Just(Ipld::Null),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Ipld::List),
            proptest::collection::btree_map("[a-z\r\n-]{0,6}", inner, 0..3).prop_map(Ipld::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Arguments come from strangers: whatever they are, they are refused or understood, and never end the process.
    #[test]
    fn any_arguments_are_refused_or_understood(
        args in proptest::collection::btree_map(
            proptest::sample::select(vec!["uri", "headers", "body", "as", "from", "to", "cc", "subject", "value", "ttl", "x"]),
            value(),
            0..6,
        ),
        command in proptest::sample::select(vec!["/crud/read", "/crud/create", "/crud/update", "/crud/delete", "/msg/send"]),
        kind in proptest::sample::select(Kind::ALL.to_vec()),
    ) {
        let mut ask = Ask::new(command, "{}", closed(kind));
        ask.args = args.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let answer = ask.perform();
        // Without a gateway, content that was understood is not found.
        let not_found = kind == Kind::Ipfs && matches!(&answer, Err(Fault::Failed(problem)) if problem.reason == "not found");
        prop_assert!(matches!(answer, Err(Fault::Refused(_))) || not_found, "{:?}: {:?}", ask.args, answer);
    }
}
