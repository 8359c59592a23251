//! What an answer means: a result, a failure that is the result, or nothing that settles anything.

use crate::account::{HttpAccount, HttpAuth};
use crate::fault::{Fault, Problem};
use crate::http::args::{As, Give};
use crate::http::exchange::{BodyEnd, Head, Sent};
use crate::request::Request;
use hyper::StatusCode;
use hyper::header::{DATE, HeaderMap, LOCATION, RETRY_AFTER};
use ipvm_ipld::{Ipld, Limits, json};
use ipvm_workflow::{Class, class_of};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most bytes of an error's body that are kept.
pub(crate) const MAX_ERROR_BYTES: u64 = 16 << 10;
/// Longest wait for an error's body: the status alone says enough.
const ERROR_BODY_TIME: Duration = Duration::from_secs(2);
/// Longest wait that a server can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads an answer to its end.
pub(crate) async fn read(
    mut sent: Sent,
    give: Give,
    account: &HttpAccount,
    request: &Request<'_>,
) -> Result<Ipld, Fault> {
    if sent.head.status.is_success() {
        return success(sent, give, request).await;
    }
    let mut body = Vec::new();
    let patience = ERROR_BODY_TIME.min(request.limits.time / 4);
    // Cut, broken off or late: what there is of it is kept.
    let _ = tokio::time::timeout(patience, sent.body(MAX_ERROR_BYTES, &mut body)).await;
    Err(failure(&sent, &body, account, request))
}

async fn success(mut sent: Sent, give: Give, request: &Request<'_>) -> Result<Ipld, Fault> {
    let status = i128::from(sent.head.status.as_u16());
    let limit = request.limits.output;
    let mut body = Vec::new();
    let failed =
        |reason, message| Fault::Failed(Problem::new(reason, message).with("status", status));
    match sent.body(limit, &mut body).await {
        Ok(()) => {}
        Err(BodyEnd::TooLong) => {
            return Err(failed(
                "too large",
                format!(
                    "{} answered with more than the allowed {limit} bytes",
                    sent.url
                ),
            ));
        }
        Err(BodyEnd::Broken(problem)) => {
            return Err(sent.left.fault(problem.with("status", status)));
        }
    }
    let wrong = |what: &dyn std::fmt::Display| {
        failed(
            "unexpected body",
            format!("{} answered with a body that is not {what}", sent.url),
        )
    };
    let body = match give.form {
        As::Bytes => Ipld::Bytes(body),
        As::Text => Ipld::String(String::from_utf8(body).map_err(|_| wrong(&"UTF-8 text"))?),
        As::Json if body.is_empty() => Ipld::Null,
        As::Json => {
            let text = std::str::from_utf8(&body).map_err(|_| wrong(&"UTF-8 text"))?;
            let limits = Limits {
                bytes: body.len(),
                ..Limits::default()
            };
            json::from_str(text, limits)
                .map_err(|error| wrong(&format!("JSON as it is understood here: {error}")))?
        }
    };
    if give.only_body {
        return Ok(body);
    }
    Ok(Ipld::Map(BTreeMap::from([
        ("status".to_owned(), Ipld::Integer(status)),
        ("headers".to_owned(), headers(&sent.head.headers)),
        ("body".to_owned(), body),
    ])))
}

/// Headers by their lower-case names; of one that comes several times, the values are joined by commas.
fn headers(map: &HeaderMap) -> Ipld {
    let value = |name| {
        let all: Vec<_> = map
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        Ipld::String(all.join(", "))
    };
    Ipld::Map(
        map.keys()
            .map(|name| (name.as_str().to_owned(), value(name)))
            .collect(),
    )
}

/// What an answer other than success settles.
///
/// 429 says that the request was turned away, and so does 503; but a proxy says 503 also of a request that it has passed
/// on, so for what must not happen twice it counts only with a time to come back at. 502 and 504 say that a server
/// further on gave no answer: it may have acted.
fn failure(sent: &Sent, body: &[u8], account: &HttpAccount, request: &Request<'_>) -> Fault {
    let Head { status, headers } = &sent.head;
    let mut problem = Problem::new("http status", format!("{} answered {status}", sent.url))
        .with("status", i128::from(status.as_u16()))
        .with("body", error_body(body, account));
    if let Some(location) = headers.get(LOCATION) {
        let location = String::from_utf8_lossy(location.as_bytes());
        problem.message.push_str(&format!(", see {location}"));
        problem = problem.with("location", location.into_owned());
    }
    let after = retry_after(headers);
    let once = class_of(request.command) == Some(Class::Mutation) && !account.idempotency;
    match *status {
        StatusCode::TOO_MANY_REQUESTS => Fault::NotDone(problem, after),
        StatusCode::SERVICE_UNAVAILABLE if after.is_some() || !once => {
            Fault::NotDone(problem, after)
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            Fault::Unknown(problem)
        }
        _ => Fault::Failed(problem),
    }
}

/// An error's body, as text if it is text. A server that repeats the credentials does not get them into a receipt.
fn error_body(body: &[u8], account: &HttpAccount) -> Ipld {
    let Ok(text) = std::str::from_utf8(body) else {
        return Ipld::Bytes(body.to_vec());
    };
    Ipld::String(match &account.auth {
        HttpAuth::None => text.to_owned(),
        HttpAuth::Bearer(secret) | HttpAuth::Basic(_, secret) | HttpAuth::Header(_, secret) => {
            match secret.expose() {
                "" => text.to_owned(),
                secret => text.replace(secret, "…"),
            }
        }
    })
}

/// How long the server asks to wait: seconds, or a date (RFC 9110, section 10.2.3), which is one of its own clock.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let after = text(RETRY_AFTER)?;
    let wait = match after.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = httpdate::parse_http_date(after).ok()?;
            let now = httpdate::parse_http_date(text(DATE)?).ok()?;
            until.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that asks for time and does not get it answers nobody.
    #[test]
    fn servers_say_how_long_to_wait() {
        let dated = (DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        let check = |text: &str| {
            let headers =
                HeaderMap::from_iter([dated.clone(), (RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        assert_eq!(check("120"), Some(120));
        assert_eq!(check(" 0 "), Some(0));
        assert_eq!(check("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(check("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(check("99999999999"), Some(86_400));
        assert_eq!(check("soon"), None);
        assert_eq!(check("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
