//! Which provider does what.

use ipvm_effects::{Account, Class, Effects, Kind, provider_for};
use ipvm_ipld::Ipld;
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
