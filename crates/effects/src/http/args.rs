//! What an HTTP effect asks for, out of its arguments. Decides; asks nobody.

use crate::fault::Problem;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use ipvm_ipld::Ipld;
use ipvm_ipld::fields::{FieldError, Fields, as_map, as_string};
use ipvm_ucan::Command;
use std::collections::BTreeMap;
use std::fmt::Display;
use url::Url;

/// Longest `uri`, in bytes.
pub(crate) const MAX_URI_BYTES: usize = 8 << 10;
/// Most headers of a request.
pub(crate) const MAX_HEADERS: usize = 64;
/// Longest name or value of a header, in bytes.
pub(crate) const MAX_HEADER_BYTES: usize = 8 << 10;

/// Headers that are set here, or that would speak for the connection instead of the request.
const RESERVED: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];
/// Headers that carry credentials. Arguments are kept and shown; secrets belong into the account.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// How the body of the answer is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum As {
    Bytes,
    Text,
    Json,
}

/// What of an answer is the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Give {
    pub(crate) form: As,
    /// The body and nothing else: what functions take.
    pub(crate) only_body: bool,
}

/// One request, before anything of the account is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Option<Ipld>,
    pub(crate) give: Give,
}

fn bad(error: impl Display) -> Problem {
    Problem::bad_arguments(error.to_string())
}

/// The method of a command.
pub(crate) fn method_of(command: &Command) -> Option<Method> {
    match command.as_str() {
        "/crud/read" => Some(Method::GET),
        "/crud/create" => Some(Method::POST),
        "/crud/update" => Some(Method::PUT),
        "/crud/delete" => Some(Method::DELETE),
        _ => None,
    }
}

/// Reads the arguments of a command.
pub(crate) fn decode(command: &Command, args: &BTreeMap<String, Ipld>) -> Result<Call, Problem> {
    let method = method_of(command).ok_or_else(|| Problem::not_offered(command))?;
    let mut fields = Fields::new(Ipld::Map(args.clone()), "the arguments").map_err(bad)?;
    let url = parse_url(&fields.get("uri", as_string).map_err(bad)?)?;
    let headers = match fields.get_optional("headers", as_map).map_err(bad)? {
        Some(map) => parse_headers(map)?,
        None => Vec::new(),
    };
    let body = fields.optional("body");
    if body.is_some() && (method == Method::GET || method == Method::DELETE) {
        return Err(bad(format!(
            "{command} has no body; remove the argument \"body\""
        )));
    }
    let form = match fields.get_optional("as", as_string).map_err(bad)? {
        None => As::Bytes,
        Some(text) => match text.as_str() {
            "bytes" => As::Bytes,
            "text" => As::Text,
            "json" => As::Json,
            _ => {
                return Err(bad(format!(
                    "\"as\" is {text:?}; write bytes, text or json"
                )));
            }
        },
    };
    let only_body = match fields.get_optional("only", as_string).map_err(bad)? {
        None => false,
        Some(text) if text == "body" => true,
        Some(text) => {
            return Err(bad(format!(
                "\"only\" is {text:?}; write body, or leave it out for status, headers and body"
            )));
        }
    };
    fields.finish().map_err(bad)?;
    Ok(Call {
        method,
        url,
        headers,
        body,
        give: Give { form, only_body },
    })
}

/// A `https:` or `http:` URI with a host and without credentials or fragment.
pub(crate) fn parse_url(text: &str) -> Result<Url, Problem> {
    if text.len() > MAX_URI_BYTES {
        return Err(bad(format!(
            "the uri has {} bytes; at most {MAX_URI_BYTES} are accepted",
            text.len()
        )));
    }
    let mut url = Url::parse(text)
        .map_err(|error| bad(format!("the uri {text:?} cannot be read: {error}")))?;
    check_url(&url).map_err(|what| bad(format!("the uri {text:?} {what}")))?;
    url.set_fragment(None);
    Ok(url)
}

/// What every address that is asked must be, the first one and those of redirects.
pub(crate) fn check_url(url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("is neither https: nor http:");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has credentials in it; put them into the account");
    }
    if url.host().is_none() || url.port_or_known_default() == Some(0) {
        return Err("names no server");
    }
    Ok(())
}

fn parse_headers(map: BTreeMap<String, Ipld>) -> Result<Vec<(HeaderName, HeaderValue)>, Problem> {
    if map.len() > MAX_HEADERS {
        return Err(bad(format!(
            "there are {} headers; at most {MAX_HEADERS} are sent",
            map.len()
        )));
    }
    map.into_iter()
        .map(|(name, value)| {
            let value = as_string(value, &name)
                .map_err(|error: FieldError| bad(error.within("headers")))?;
            parse_header(&name, &value)
        })
        .collect()
}

fn parse_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Problem> {
    if name.len().max(value.len()) > MAX_HEADER_BYTES {
        return Err(bad(format!(
            "a header has more than {MAX_HEADER_BYTES} bytes"
        )));
    }
    let known: HeaderName = name
        .parse()
        .map_err(|_| bad(format!("{name:?} cannot be the name of a header")))?;
    if RESERVED.contains(&known.as_str()) {
        return Err(bad(format!(
            "the header {name:?} is set by ipvm; remove it"
        )));
    }
    if CREDENTIALS.contains(&known.as_str()) {
        return Err(bad(format!(
            "the header {name:?} carries credentials, and arguments are kept and shown; put them into the account"
        )));
    }
    let value = HeaderValue::from_str(value).map_err(|_| {
        bad(format!(
            "the header {name:?} has a value with control characters"
        ))
    })?;
    Ok((known, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvm_ipld::{Limits, json};
    use proptest::prelude::*;

    fn check(command: &str, args: &str) -> Result<Call, String> {
        let Ipld::Map(args) = json::from_str(args, Limits::default()).unwrap() else {
            panic!("no map")
        };
        decode(&command.parse().unwrap(), &args).map_err(|problem| {
            assert_eq!(problem.reason, "bad arguments");
            problem.message
        })
    }

    /// An argument that is overlooked is a request that nobody asked for.
    #[test]
    fn arguments_are_read_exactly() {
        let call = check(
            "/crud/update",
            r#"{"uri": "HTTPS://Example.com:443/a?b#c", "headers": {"X-A": "1"}, "body": "x", "as": "json"}"#,
        )
        .unwrap();
        assert_eq!(call.url.as_str(), "https://example.com/a?b");
        assert_eq!(call.method, Method::PUT);
        let whole = Give {
            form: As::Json,
            only_body: false,
        };
        assert_eq!(call.give, whole);
        assert_eq!(call.headers[0].0, "x-a");

        let refused = |command: &str, args: &str, part: &str| {
            let message = check(command, args).unwrap_err();
            assert!(message.contains(part), "{args}: {message}");
        };
        refused("/crud/read", r#"{}"#, "\"uri\"");
        refused("/crud/read", r#"{"uri": 1}"#, "uri");
        refused("/crud/read", r#"{"uri": "http://a", "url": 1}"#, "\"url\"");
        refused("/crud/read", r#"{"uri": "http://a", "body": "x"}"#, "body");
        refused(
            "/crud/delete",
            r#"{"uri": "http://a", "body": "x"}"#,
            "body",
        );
        refused("/crud/read", r#"{"uri": "http://a", "as": "xml"}"#, "xml");
        refused("/crud/read", r#"{"uri": "http://a", "only": "x"}"#, "only");
        refused("/crud/read", r#"{"uri": "ftp://a"}"#, "ftp");
        refused("/crud/read", r#"{"uri": "http://u:p@a"}"#, "credentials");
        refused("/crud/read", r#"{"uri": "http://a:0"}"#, "no server");
        refused("/crud/read", r#"{"uri": "http://"}"#, "cannot be read");
        refused("/crud/read", r#"{"uri": "/a"}"#, "cannot be read");
        for name in RESERVED {
            let args = format!(r#"{{"uri": "http://a", "headers": {{"{name}": "x"}}}}"#);
            refused("/crud/create", &args, name);
        }
        for name in CREDENTIALS {
            let args = format!(r#"{{"uri": "http://a", "headers": {{"{name}": "x"}}}}"#);
            refused("/crud/create", &args, "account");
        }
        refused(
            "/crud/read",
            r#"{"uri": "http://a", "headers": {"x": "1\r\nHost: b"}}"#,
            "control",
        );
        refused(
            "/crud/read",
            r#"{"uri": "http://a", "headers": {"x y": "1"}}"#,
            "x y",
        );
        refused(
            "/crud/read",
            r#"{"uri": "http://a", "headers": {"x": 1}}"#,
            "headers.x",
        );
    }

    proptest! {
        /// Whatever the arguments are, they are read or refused, and what is read goes where it says.
        #[test]
        fn any_uri_is_read_or_refused(uri in "(https?://)?[ -~\u{e0}-\u{ff}\u{3002}]{0,40}", value in "\\PC{0,20}") {
            let args = BTreeMap::from([
                ("uri".to_owned(), Ipld::String(uri)),
                ("headers".to_owned(), Ipld::Map(BTreeMap::from([("x".to_owned(), Ipld::String(value))]))),
            ]);
            if let Ok(call) = decode(&"/crud/read".parse().unwrap(), &args) {
                prop_assert!(check_url(&call.url).is_ok());
                prop_assert!(call.url.fragment().is_none());
                prop_assert!(!call.headers[0].1.as_bytes().contains(&b'\n'));
            }
        }
    }
}
