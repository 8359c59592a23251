//! Principals as people know them: the one place that decides how a DID is written for a person. JSON keeps DIDs.

use crate::context::Context;
use ipvm_node::{Named, Node, WhichKey};
use ipvm_ucan::{Did, MAX_DID_BYTES};

/// How every DID begins.
const SCHEME: &str = "did:";
/// What is shown of a key in tables, in characters: all of one type begin with the same few.
const KEY_BEGIN: usize = 10;
const KEY_END: usize = 6;

/// What principals are called here, to be shown. By default nobody has a name.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// This home, and its person.
    own: Vec<(Did, &'static str)>,
    /// What the user calls others, or these.
    given: Vec<Named>,
}

impl People {
    pub(crate) fn of(node: &Node) -> anyhow::Result<Self> {
        let mut own = vec![
            (node.owner().clone(), "owner"),
            (node.agent().clone(), "agent"),
        ];
        let former = node.former_keys()?.into_iter();
        own.extend(former.map(|(which, did, _)| (did, former_name(which))));
        Ok(Self {
            own,
            given: node.names()?,
        })
    }

    /// The names of the home, if there is one; none is made.
    pub(crate) fn here(context: &Context) -> anyhow::Result<Self> {
        let node = context.reader_if_any()?;
        let people = node.as_ref().map(Self::of).transpose()?;
        Ok(people.unwrap_or_default())
    }

    fn name(&self, did: &str) -> Option<&str> {
        let own = self.own.iter().map(|(known, name)| (known, *name));
        let given = self.given.iter();
        let mut all = own.chain(given.map(|named| (&named.did, named.name.as_str())));
        all.find(|(known, _)| known.as_str() == did)
            .map(|(_, name)| name)
    }

    /// The names that the user gave.
    pub(crate) fn given(&self, did: &Did) -> Vec<&str> {
        let given = self.given.iter().filter(|named| named.did == *did);
        given.map(|named| named.name.as_str()).collect()
    }

    /// The name and the DID, or the DID alone.
    pub(crate) fn full(&self, did: &Did) -> String {
        match self.name(did.as_str()) {
            Some(name) => format!("{name} ({did})"),
            None => did.to_string(),
        }
    }

    /// The name, or else the DID.
    pub(crate) fn short(&self, did: &Did) -> String {
        let name = self.name(did.as_str());
        name.unwrap_or_else(|| did.as_str()).to_owned()
    }

    /// The name, or else the DID; of a `did:key` its beginning and end, for tables. The whole is in JSON, and where one thing
    /// is looked at.
    pub(crate) fn brief(&self, did: &Did) -> String {
        let short = self.short(did);
        let Some(key) = short.strip_prefix("did:key:") else {
            return short;
        };
        match (
            key.get(..KEY_BEGIN),
            key.get(key.len().saturating_sub(KEY_END)..),
        ) {
            (Some(begin), Some(end)) => format!("did:key:{begin}…{end}"),
            _ => short,
        }
    }

    /// A text with names in the place of DIDs.
    pub(crate) fn in_text(&self, text: &str) -> String {
        let (mut told, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(at) = rest.find(SCHEME) {
            let (before, found) = rest.split_at(at);
            let did = did_at(found);
            told.push_str(before);
            let is_word = before.ends_with(is_of_did);
            let name = self.name(did).filter(|_| !is_word);
            told.push_str(name.unwrap_or(did));
            rest = found.strip_prefix(did).unwrap_or_default();
        }
        told + rest
    }
}

/// What a key that this home had before is called.
pub(crate) fn former_name(which: WhichKey) -> &'static str {
    match which {
        WhichKey::Owner => "former owner",
        WhichKey::Agent => "former agent",
    }
}

fn is_of_did(c: char) -> bool {
    // What a clipped text ends with: no whole DID stands before it.
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '%' | ':' | '…')
}

/// The whole DID at the beginning of a text, so that none is taken for another that it begins with; without what ends a
/// sentence.
fn did_at(text: &str) -> &str {
    let end = text.find(|c| !is_of_did(c)).unwrap_or(text.len());
    let did = text.get(..end.min(MAX_DID_BYTES)).unwrap_or(SCHEME);
    let did = did.trim_end_matches(['.', ':']);
    // At least what was searched for, so that the search goes on behind it.
    if did.len() < SCHEME.len() {
        SCHEME
    } else {
        did
    }
}

#[cfg(test)]
mod tests {
    //! Without this, somebody whose DID begins like a friend's would be shown under the friend's name.
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Without this, a table of rights would not fit any screen, or two keys would look the same.
    #[test]
    fn keys_are_short_in_tables() {
        let did = |text: &str| text.parse::<Did>().unwrap();
        let named = |name: &str, text: &str| Named {
            name: name.to_owned(),
            did: did(text),
            since: 0,
        };
        let alice = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX";
        let bob = "did:key:z6Mko9hTggMwjSTEaJaPUfE6tqcy2xvU6BnNq3e3o8qVBiyH";
        let people = People {
            own: vec![],
            given: vec![named("bob", bob)],
        };
        assert_eq!(people.brief(&did(alice)), "did:key:z6Mkon3Nec…FbLfLX");
        assert_eq!(people.brief(&did(bob)), "bob");
        let web = "did:web:example.com:users:alice";
        assert_eq!(people.brief(&did(web)), web);
    }

    #[test]
    fn names_stand_for_whole_dids() {
        let named = |name: &str, did: &str| Named {
            name: name.to_owned(),
            did: did.parse().unwrap(),
            since: 0,
        };
        let key = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX";
        let people = People {
            own: Vec::new(),
            given: vec![named("bob", "did:web:example.com"), named("key", key)],
        };
        for (text, told) in [
            ("did:web:example.com may", "bob may"),
            ("by did:web:example.com.", "by bob."),
            ("did:web:example.com: no key", "bob: no key"),
            ("(did:web:example.com)", "(bob)"),
            (
                "did:web:example.com:users:eve",
                "did:web:example.com:users:eve",
            ),
            (
                "did:web:example.com.evil.org",
                "did:web:example.com.evil.org",
            ),
            ("xdid:web:example.com", "xdid:web:example.com"),
            ("did: and did:x did:", "did: and did:x did:"),
            ("did:web:example.com…", "did:web:example.com…"),
            ("did:web:example.com und élan", "bob und élan"),
        ] {
            assert_eq!(people.in_text(text), told, "{text}");
        }
        let text = format!("{key}, did:web:example.com, {key}");
        assert_eq!(people.in_text(&text), "key, bob, key");
        let long = format!("did:web:{}", "a".repeat(2 * MAX_DID_BYTES));
        assert_eq!(people.in_text(&long), long);
    }
}
