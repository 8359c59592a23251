//! What is asked of DNS, out of the arguments. Decides; asks nobody.

use crate::dns::records;
use crate::fault::Problem;
use crate::guard::split_host;
use hickory_proto::rr::{Name, RData, RecordType};
use ipvm_ipld::Ipld;
use ipvm_ipld::fields::{Fields, as_int, as_string};
use ipvm_ucan::Command;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// Longest `uri`, in bytes.
const MAX_URI_BYTES: usize = 1 << 10;
/// Most values of one record set.
const MAX_VALUES: usize = 100;
/// How long others may remember a record that says nothing else, in seconds.
const DEFAULT_TTL: u32 = 300;
/// The port of DNS.
pub(crate) const PORT: u16 = 53;

/// Types that are read.
const READ: [RecordType; 9] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::TXT,
    RecordType::CNAME,
    RecordType::MX,
    RecordType::SRV,
    RecordType::CAA,
    RecordType::NS,
    RecordType::PTR,
];
/// Types that are written.
const WRITTEN: [RecordType; 4] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::TXT,
    RecordType::CNAME,
];

/// A record set, as a `dns:` URI names it (RFC 4501).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) name: Name,
    pub(crate) kind: RecordType,
    /// The server that the URI names: host and port.
    pub(crate) server: Option<(String, u16)>,
}

/// What is to happen to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Read,
    /// Only if there is none.
    Create(Values),
    /// Instead of what there is.
    Replace(Values),
    Delete,
}

/// The records of a set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Values {
    pub(crate) data: Vec<RData>,
    /// Seconds.
    pub(crate) ttl: u32,
}

fn bad(error: impl Display) -> Problem {
    Problem::bad_arguments(error.to_string())
}

/// Reads the arguments of a command.
pub(crate) fn decode(
    command: &Command,
    args: &BTreeMap<String, Ipld>,
) -> Result<(Place, Action), Problem> {
    let mut fields = Fields::new(Ipld::Map(args.clone()), "the arguments").map_err(bad)?;
    let place = parse_uri(&fields.get("uri", as_string).map_err(bad)?).map_err(bad)?;
    let action = match command.as_str() {
        "/crud/read" => Action::Read,
        "/crud/create" => Action::Create(values(&mut fields, place.kind)?),
        "/crud/update" => Action::Replace(values(&mut fields, place.kind)?),
        "/crud/delete" => Action::Delete,
        _ => return Err(Problem::not_offered(command)),
    };
    fields.finish().map_err(bad)?;
    let known: &[RecordType] = match action {
        Action::Read => &READ,
        _ => &WRITTEN,
    };
    if !known.contains(&place.kind) {
        let names: Vec<_> = known.iter().map(ToString::to_string).collect();
        return Err(bad(format!(
            "{command} is not offered for records of type {}; it is for {}",
            place.kind,
            names.join(", ")
        )));
    }
    Ok((place, action))
}

fn values(fields: &mut Fields, kind: RecordType) -> Result<Values, Problem> {
    let texts = match fields.required("value").map_err(bad)? {
        Ipld::List(items) => items
            .into_iter()
            .map(|item| as_string(item, "value").map_err(bad))
            .collect::<Result<Vec<_>, _>>()?,
        one => vec![as_string(one, "value").map_err(bad)?],
    };
    if texts.is_empty() || texts.len() > MAX_VALUES {
        return Err(bad(format!(
            "\"value\" has {} values; a record set has one to {MAX_VALUES}, and /crud/delete removes one",
            texts.len()
        )));
    }
    let ttl = match fields.get_optional("ttl", as_int).map_err(bad)? {
        None => DEFAULT_TTL,
        // RFC 2181, section 8: 31 bits.
        Some(ttl) => match u32::try_from(ttl) {
            Ok(ttl) if ttl <= i32::MAX as u32 => ttl,
            _ => {
                return Err(bad(format!(
                    "\"ttl\" is {ttl}; write seconds, from 0 to {}",
                    i32::MAX
                )));
            }
        },
    };
    let mut data: Vec<RData> = Vec::new();
    for text in texts {
        let value = records::parse(kind, &text).map_err(bad)?;
        if data.contains(&value) {
            return Err(bad(format!("\"value\" has {text:?} twice")));
        }
        data.push(value);
    }
    if kind == RecordType::CNAME && data.len() > 1 {
        return Err(bad("a name has one CNAME at most"));
    }
    Ok(Values { data, ttl })
}

/// `dns:example.com?TYPE=TXT`, or with a server: `dns://ns.example.com/example.com?TYPE=TXT`.
pub(crate) fn parse_uri(text: &str) -> Result<Place, String> {
    let wrong = |what: &str| {
        Err(format!(
            "the uri {text:?} {what}; write it as dns:example.com?TYPE=TXT"
        ))
    };
    if text.len() > MAX_URI_BYTES {
        return Err(format!(
            "the uri has {} bytes; at most {MAX_URI_BYTES} are accepted",
            text.len()
        ));
    }
    let rest = match text.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("dns") => rest,
        _ => return wrong("is no dns: URI"),
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let (server, name) = match path.strip_prefix("//") {
        None => (None, path),
        Some(rest) => {
            let Some((server, name)) = rest.split_once('/') else {
                return wrong("names a server but no name");
            };
            match split_host(server) {
                Some((host, port)) => (Some((host.to_owned(), port.unwrap_or(PORT))), name),
                None => return wrong("names a server that is none"),
            }
        }
    };
    let mut kind = None;
    for part in query.into_iter().flat_map(|query| query.split(';')) {
        match part.split_once('=') {
            Some((key, value)) if key.eq_ignore_ascii_case("type") && kind.is_none() => {
                let Ok(known) = RecordType::from_str(&value.to_ascii_uppercase()) else {
                    return wrong("asks for a type that is not known");
                };
                kind = Some(known);
            }
            Some((key, value))
                if key.eq_ignore_ascii_case("class") && value.eq_ignore_ascii_case("in") => {}
            _ => return wrong("has a part that is not understood"),
        }
    }
    Ok(Place {
        name: parse_name(name)?,
        // RFC 4501, section 3.
        kind: kind.unwrap_or(RecordType::A),
        server,
    })
}

/// A name from the root, with or without its dot at the end. Letters, digits, `-`, `_`, and a `*` in front.
pub(crate) fn parse_name(text: &str) -> Result<Name, String> {
    let plain = text.strip_suffix('.').unwrap_or(text);
    let label = |(i, label): (usize, &str)| {
        let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && (label.bytes().all(letters) || (i == 0 && label == "*"))
    };
    let wrong = || {
        format!(
            "{text:?} is not a name in DNS; write it as example.com, and other letters as xn--…"
        )
    };
    if plain.len() > 253 || !plain.split('.').enumerate().all(label) {
        return Err(wrong());
    }
    let mut name = Name::from_ascii(plain).map_err(|_| wrong())?;
    name.set_fqdn(true);
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvm_ipld::{Limits, json};
    use proptest::prelude::*;

    fn check(command: &str, args: &str) -> Result<(Place, Action), String> {
        let Ipld::Map(args) = json::from_str(args, Limits::default()).unwrap() else {
            panic!("no map")
        };
        decode(&command.parse().unwrap(), &args).map_err(|problem| problem.message)
    }

    /// A name or type that is read otherwise changes somebody else's records.
    #[test]
    fn uris_are_read_exactly() {
        let place = |uri| parse_uri(uri).map(|p| (p.name.to_ascii(), p.kind, p.server));
        let named = |name: &str, kind| Ok((name.to_owned(), kind, None));
        assert_eq!(
            place("dns:example.com?TYPE=TXT"),
            named("example.com.", RecordType::TXT)
        );
        assert_eq!(
            place("DNS:Example.COM.?type=aaaa;class=in"),
            named("Example.COM.", RecordType::AAAA)
        );
        assert_eq!(place("dns:a"), named("a.", RecordType::A));
        assert_eq!(
            place("dns:*._x.a-b.c?type=SRV"),
            named("*._x.a-b.c.", RecordType::SRV)
        );
        let server = |host: &str, port| {
            Ok((
                "a.b.".to_owned(),
                RecordType::A,
                Some((host.to_owned(), port)),
            ))
        };
        assert_eq!(place("dns://ns.a.b/a.b"), server("ns.a.b", 53));
        assert_eq!(place("dns://[::1]:5353/a.b"), server("::1", 5353));
        for uri in [
            "dns:",
            "dns:?type=A",
            "dns:.",
            "dns:a..b",
            "dns:.a",
            "dns:a b",
            "dns:a.b/c",
            "dns:a%2eb",
            "dns:a\\.b",
            "dns:ä.b",
            "dns:a.*.b",
            "dns:a?TYPE",
            "dns:a?TYPE=",
            "dns:a?TYPE=WHAT",
            "dns:a?TYPE=A;TYPE=MX",
            "dns:a?class=CH",
            "dns:a?x=y",
            "dns:a?TYPE=A&x=y",
            "dns://a.b",
            "dns:///a.b",
            "dns://a b/a.b",
            "dns://u@a/a.b",
            "http:a",
            "a.b",
        ] {
            assert!(place(uri).is_err(), "{uri} was read");
        }
        assert!(parse_name(&format!("{}.a", "x".repeat(64))).is_err());
        assert!(parse_name(&vec!["x".repeat(63); 4].join(".")).is_err());
    }

    /// As [`uris_are_read_exactly`].
    #[test]
    fn arguments_are_read_exactly() {
        let (_, action) = check(
            "/crud/update",
            r#"{"uri": "dns:a.b?TYPE=A", "value": ["1.2.3.4", "1.2.3.5"], "ttl": 60}"#,
        )
        .unwrap();
        let Action::Replace(values) = action else {
            panic!("{action:?}")
        };
        assert_eq!((values.data.len(), values.ttl), (2, 60));
        let refused = |command: &str, args: &str, part: &str| {
            let args = format!(r#"{{"uri": "dns:a.b?TYPE={args}}}"#);
            let message = check(command, &args).unwrap_err();
            assert!(message.contains(part), "{args}: {message}");
        };
        refused("/crud/read", r#"A", "value": "1.2.3.4""#, "\"value\"");
        refused("/crud/delete", r#"A", "value": "1.2.3.4""#, "\"value\"");
        refused("/crud/update", r#"A""#, "\"value\"");
        refused("/crud/update", r#"A", "value": []"#, "/crud/delete");
        refused(
            "/crud/update",
            r#"A", "value": ["1.2.3.4", "1.2.3.4"]"#,
            "twice",
        );
        refused(
            "/crud/update",
            r#"A", "value": "1.2.3.4", "ttl": -1"#,
            "ttl",
        );
        refused(
            "/crud/update",
            r#"A", "value": "1.2.3.4", "ttl": 2147483648"#,
            "ttl",
        );
        refused("/crud/update", r#"A", "value": "::1""#, "::1");
        refused("/crud/update", r#"AAAA", "value": "1.2.3.4""#, "1.2.3.4");
        refused("/crud/update", r#"CNAME", "value": "a b""#, "a b");
        refused(
            "/crud/update",
            r#"CNAME", "value": ["a", "b"]"#,
            "one CNAME",
        );
        refused("/crud/update", r#"MX", "value": "10 a.b""#, "MX");
        refused("/crud/read", r#"ANY""#, "ANY");
        refused("/crud/read", r#"AXFR""#, "AXFR");
        refused("/crud/list", r#"A""#, "/crud/list");
    }

    proptest! {
        /// Whatever the URI is, it is read or refused, and what is read names what it says.
        #[test]
        fn any_uri_is_read_or_refused(uri in "dns:(//[a-z.:]{0,8}/)?[-a-zA-Z0-9._*%\\\\/é]{0,20}(\\?[a-zA-Z=;]{0,12})?") {
            if let Ok(place) = parse_uri(&uri) {
                let name = place.name.to_ascii();
                prop_assert!(place.name.is_fqdn());
                prop_assert!(uri.contains(name.trim_end_matches('.')), "{} of {}", name, uri);
            }
        }
    }
}
