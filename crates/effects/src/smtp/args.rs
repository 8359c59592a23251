//! Which mail is to be sent, out of the arguments. Decides; asks nobody.

use crate::account::SmtpAccount;
use crate::fault::Problem;
use ipvm_ipld::Ipld;
use ipvm_ipld::fields::{FieldError, Fields, as_list_of, as_map, as_string};
use lettre::Address;
use lettre::message::header::HeaderName;
use std::collections::BTreeMap;
use std::fmt::Display;

/// Most recipients of one mail, `to` and `cc` together.
pub(crate) const MAX_RECIPIENTS: usize = 50;
/// Longest subject, and longest value of a header, in bytes.
pub(crate) const MAX_HEADER_BYTES: usize = 4 << 10;
/// Most headers of one's own.
pub(crate) const MAX_HEADERS: usize = 32;
/// Longest address, in bytes (RFC 5321, section 4.5.3.1.3).
const MAX_ADDRESS_BYTES: usize = 254;

/// Headers that say who, when and what; they are made of the other arguments.
const RESERVED: [&str; 10] = [
    "bcc",
    "cc",
    "date",
    "from",
    "message-id",
    "mime-version",
    "return-path",
    "sender",
    "subject",
    "to",
];
/// Beginnings of such.
const RESERVED_BEGINNINGS: [&str; 4] = ["arc-", "content-", "dkim-", "resent-"];

/// A mail, before it has a body of bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mail {
    pub(crate) from: Address,
    pub(crate) to: Vec<Address>,
    pub(crate) cc: Vec<Address>,
    pub(crate) subject: String,
    pub(crate) body: Ipld,
    pub(crate) headers: Vec<(HeaderName, String)>,
}

impl Mail {
    /// Everybody who gets it, once.
    pub(crate) fn recipients(&self) -> Vec<Address> {
        let mut all: Vec<Address> = Vec::new();
        for address in self.to.iter().chain(&self.cc) {
            if !all.iter().any(|known| same(known, address)) {
                all.push(address.clone());
            }
        }
        all
    }
}

fn bad(error: impl Display) -> Problem {
    Problem::bad_arguments(error.to_string())
}

/// Reads the arguments of `/msg/send`.
pub(crate) fn decode(args: &BTreeMap<String, Ipld>) -> Result<Mail, Problem> {
    let mut fields = Fields::new(Ipld::Map(args.clone()), "the arguments").map_err(bad)?;
    let from = fields.get("from", as_string).map_err(bad)?;
    let to = fields.get("to", strings).map_err(bad)?;
    let cc = fields.get_optional("cc", strings).map_err(bad)?;
    let subject = fields.get("subject", as_string).map_err(bad)?;
    let body = fields.required("body").map_err(bad)?;
    let headers = fields.get_optional("headers", as_map).map_err(bad)?;
    fields.finish().map_err(bad)?;

    let cc = cc.unwrap_or_default();
    if to.is_empty() || to.len() + cc.len() > MAX_RECIPIENTS {
        return Err(bad(format!(
            "there are {} recipients in \"to\" and {} in \"cc\"; a mail needs one in \"to\", and may have {MAX_RECIPIENTS} in all",
            to.len(),
            cc.len()
        )));
    }
    Ok(Mail {
        from: parse_address(&from).map_err(bad)?,
        to: addresses(&to)?,
        cc: addresses(&cc)?,
        subject: one_line("subject", subject)?,
        body,
        headers: parse_headers(headers.unwrap_or_default())?,
    })
}

fn strings(value: Ipld, field: &str) -> Result<Vec<String>, FieldError> {
    as_list_of(value, field, as_string)
}

fn addresses(texts: &[String]) -> Result<Vec<Address>, Problem> {
    texts
        .iter()
        .map(|text| parse_address(text).map_err(bad))
        .collect()
}

/// `alice@example.com`, or the same as a `mailto:` URI.
pub(crate) fn parse_address(text: &str) -> Result<Address, String> {
    let plain = match text.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mailto") => {
            if rest.contains(['?', '%', ',']) {
                return Err(format!(
                    "{text:?} says more than an address; write the address alone"
                ));
            }
            rest
        }
        _ => text,
    };
    if plain.len() > MAX_ADDRESS_BYTES {
        return Err(format!(
            "an address has {} bytes; at most {MAX_ADDRESS_BYTES} are accepted",
            plain.len()
        ));
    }
    if !plain.bytes().all(|b| b.is_ascii_graphic()) || plain.contains(['<', '>', '"', '\\']) {
        return Err(format!(
            "{text:?} is not an address that can be sent to; write it as alice@example.com, and a domain in other letters as xn--…"
        ));
    }
    plain
        .parse()
        .map_err(|error| format!("{text:?} is not an address: {error}"))
}

/// Whether two addresses are one: domains have no case, what precedes the `@` has.
pub(crate) fn same(one: &Address, other: &Address) -> bool {
    one.user() == other.user() && one.domain().eq_ignore_ascii_case(other.domain())
}

/// Whether the account may send as this address.
pub(crate) fn permit_from(account: &SmtpAccount, from: &Address) -> Result<(), Problem> {
    let named = account
        .from
        .iter()
        .any(|entry| parse_address(entry).is_ok_and(|entry| same(&entry, from)));
    if named || account.from.is_empty() {
        return Ok(());
    }
    Err(Problem::new(
        "sender not granted",
        format!("{from} is not among the addresses that this account may send as"),
    ))
}

fn one_line(what: &str, text: String) -> Result<String, Problem> {
    if text.len() > MAX_HEADER_BYTES {
        return Err(bad(format!(
            "{what} has {} bytes; at most {MAX_HEADER_BYTES} are accepted",
            text.len()
        )));
    }
    if text.chars().any(char::is_control) {
        return Err(bad(format!(
            "{what} has a line end or another control character"
        )));
    }
    Ok(text)
}

fn parse_headers(map: BTreeMap<String, Ipld>) -> Result<Vec<(HeaderName, String)>, Problem> {
    if map.len() > MAX_HEADERS {
        return Err(bad(format!(
            "there are {} headers; at most {MAX_HEADERS} are accepted",
            map.len()
        )));
    }
    map.into_iter()
        .map(|(name, value)| {
            let value = as_string(value, &name).map_err(|error| bad(error.within("headers")))?;
            let lower = name.to_ascii_lowercase();
            let reserved = RESERVED.contains(&lower.as_str())
                || RESERVED_BEGINNINGS.iter().any(|b| lower.starts_with(b));
            if reserved {
                return Err(bad(format!(
                    "the header {name:?} is set by ipvm; remove it"
                )));
            }
            let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            if name.is_empty() || !name.bytes().all(letters) {
                return Err(bad(format!("{name:?} cannot be the name of a header")));
            }
            let value = one_line(&format!("the header {name:?}"), value)?;
            let name = HeaderName::new_from_ascii(name)
                .map_err(|error| bad(format!("a header cannot be set: {error}")))?;
            Ok((name, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvm_ipld::{Limits, json};
    use proptest::prelude::*;

    fn check(args: &str) -> Result<Mail, String> {
        let Ipld::Map(args) = json::from_str(args, Limits::default()).unwrap() else {
            panic!("no map")
        };
        decode(&args).map_err(|problem| problem.message)
    }

    /// A mail to somebody else than was said, or with more than was said, cannot be called back.
    #[test]
    fn arguments_are_read_exactly() {
        let mail = check(
            r#"{"from": "mailto:alice@example.com", "to": ["bob@example.com", "MAILTO:Bob@example.com"],
                "cc": ["bob@EXAMPLE.com"], "subject": "grüße", "body": "x", "headers": {"Reply-To": "a@b.c"}}"#,
        )
        .unwrap();
        let all: Vec<_> = mail.recipients().iter().map(ToString::to_string).collect();
        assert_eq!(all, ["bob@example.com", "Bob@example.com"]);
        assert_eq!(mail.from.to_string(), "alice@example.com");

        let refused = |field: &str, value: &str, part: &str| {
            let mut args = BTreeMap::from([
                ("from", r#""a@b.c""#.to_owned()),
                ("to", r#"["d@e.f"]"#.to_owned()),
                ("subject", r#""s""#.to_owned()),
                ("body", r#""b""#.to_owned()),
            ]);
            args.insert(field, value.to_owned());
            let list: Vec<_> = args.iter().map(|(k, v)| format!("{k:?}: {v}")).collect();
            let message = check(&format!("{{{}}}", list.join(", "))).unwrap_err();
            assert!(message.contains(part), "{field} {value}: {message}");
        };
        for address in [
            "",
            "a",
            "a@",
            "@b.c",
            "a@b.c, d@e.f",
            "Alice <a@b.c>",
            "<a@b.c>",
            "a b@c.d",
            "a@b.c\\r\\nRCPT TO:<x@y.z>",
            "a@b.c\\nBcc: x@y.z",
            "\\\"a b\\\"@c.d",
            "ä@b.c",
            "a@bücher.de",
            "mailto:a@b.c?bcc=x@y.z",
            "mailto:a%0a@b.c",
            "mailto:a@b.c,d@e.f",
            "http://a@b.c",
        ] {
            refused("from", &format!("\"{address}\""), "");
            refused("to", &format!("[\"{address}\"]"), "");
            refused("cc", &format!("[\"{address}\"]"), "");
        }
        refused("to", "[]", "recipients");
        refused(
            "to",
            &format!("[{}]", vec![r#""a@b.c""#; 51].join(",")),
            "50",
        );
        refused("to", r#""a@b.c""#, "to must be a list");
        refused("bcc", "[]", "\"bcc\"");
        refused("subject", r#""a\r\nBcc: x@y.z""#, "subject");
        refused("headers", r#"{"X": "a\nBcc: x@y.z"}"#, "control");
        refused("headers", r#"{"X: y\r\nBcc": "a"}"#, "name of a header");
        refused("headers", r#"{"X Y": "a"}"#, "name of a header");
        for name in RESERVED {
            refused("headers", &format!(r#"{{"{name}": "a"}}"#), "set by ipvm");
        }
        for name in ["Content-Type", "Resent-To", "DKIM-Signature"] {
            refused("headers", &format!(r#"{{"{name}": "a"}}"#), "set by ipvm");
        }
    }

    proptest! {
        /// Whatever an address is, what is read of it is one line without a place for another command or header.
        #[test]
        fn any_address_is_read_or_refused(text in "(mailto:)?\\PC{0,12}@?[ -~\r\n\u{80}-\u{ff}]{0,20}") {
            if let Ok(address) = parse_address(&text) {
                let written = address.to_string();
                prop_assert!(text.ends_with(&written));
                prop_assert!(written.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>'));
            }
        }
    }
}
