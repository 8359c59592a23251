//! `/crud/*` on `https:` and `http:`.
//!
//! HTTP/1.1 over a connection of one request: what was sent over it is known to the byte, and an earlier connection's end
//! is never taken for this request's. No proxy, no cookies, no referrer, no compression.

mod answer;
mod args;
mod exchange;
mod origin;

pub(crate) use origin::names;

use crate::account::{Account, AccountError, HttpAccount, HttpAuth, MAX_SECRET_BYTES};
use crate::body;
use crate::engine::{Engine, Left, Patience};
use crate::fault::{Fault, Probe, Problem};
use crate::request::Request;
use crate::{Kind, Provider};
use exchange::{BodyEnd, Exchange, Sent};
use hyper::header::{ACCEPT, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use ipvm_ipld::Ipld;
use ipvm_ucan::Command;
use ipvm_workflow::{Class, class_of};
use origin::Gate;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Most redirects that are followed.
const MAX_REDIRECTS: usize = 5;
/// What is said of this program to servers.
const USER_AGENT: &str = concat!("ipvm/", env!("CARGO_PKG_VERSION"));

/// Performs HTTP requests.
pub(crate) struct Http {
    engine: Arc<Engine>,
}

impl Http {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

/// Credentials that can be sent.
pub(crate) fn check_auth(auth: &HttpAuth) -> Result<(), AccountError> {
    let refuse = |what: &str| {
        Err(AccountError::Field {
            field: "auth",
            what: what.to_owned(),
        })
    };
    let (name, secret) = match auth {
        HttpAuth::None => return Ok(()),
        HttpAuth::Bearer(secret) => ("authorization", secret),
        HttpAuth::Basic(user, _) if user.contains(':') => {
            return refuse("has a user name with a colon, which HTTP cannot send");
        }
        HttpAuth::Basic(_, secret) => ("authorization", secret),
        HttpAuth::Header(name, secret) => (name.as_str(), secret),
    };
    if secret.expose().len() > MAX_SECRET_BYTES {
        return refuse("has a secret that is too long");
    }
    if HeaderName::try_from(name).is_err() {
        return refuse("has a name that no header can have");
    }
    if HeaderValue::from_str(secret.expose()).is_err() {
        return refuse("has a secret with control characters; a line end at its end, perhaps");
    }
    Ok(())
}

impl Provider for Http {
    fn class(&self, command: &Command, account: &Account) -> Option<Class> {
        args::method_of(command)?;
        (account.kind() == Kind::Http)
            .then(|| class_of(command))
            .flatten()
    }

    fn perform(&self, request: &Request<'_>) -> Result<Ipld, Fault> {
        let patience = Patience::of(request);
        let account = account_of(request.account).map_err(Fault::Refused)?;
        let call = args::decode(request.command, request.args).map_err(Fault::Refused)?;
        let gate = Gate::new(account, &call.url).map_err(Fault::Refused)?;
        let mut exchange = Exchange {
            method: call.method,
            headers: call.headers,
            body: None,
            key: None,
            leaving: request.leaving,
        };
        if let Some(value) = &call.body {
            exchange.body = Some(body::encode(value, request.content)?);
        }
        if exchange.method != Method::GET {
            exchange.key = HeaderValue::from_str(&request.task.to_string()).ok();
        }
        let left = Left::default();
        let work = self.follow(&gate, &exchange, call.url, &left, async |sent| {
            answer::read(sent, call.give, account, request).await
        });
        self.engine.run(&patience, &left, work)
    }

    fn probe(&self, request: &Request<'_>) -> Result<Probe, Fault> {
        let account = account_of(request.account).map_err(Fault::Refused)?;
        match class_of(request.command) {
            Some(Class::Mutation) | None if !account.idempotency => Ok(Probe::Unknown),
            _ => Ok(Probe::NotDone),
        }
    }

    fn test(&self, account: &Account) -> Result<String, Problem> {
        account
            .check()
            .map_err(|error| Problem::new("bad account", error.to_string()))?;
        let account = account_of(account)?;
        let Some(host) = account.hosts.iter().flatten().next() else {
            return Ok("no host is named in this account, so there is nobody to ask".to_owned());
        };
        let encrypted = self.ask(account, &format!("https://{host}/"));
        if !matches!(&encrypted, Err(problem) if problem.reason == "tls") {
            return encrypted;
        }
        // Perhaps it speaks no TLS. Credentials go there only if it is private.
        match self.ask(account, &format!("http://{host}/")) {
            Err(problem) if problem.reason != "http status" => encrypted,
            plain => plain,
        }
    }
}

fn account_of(account: &Account) -> Result<&HttpAccount, Problem> {
    match account {
        Account::Http(account) => Ok(account),
        other => Err(Problem::wrong_account(Kind::Http, other.kind())),
    }
}

impl Http {
    /// Sends the request, follows redirects as far as they may be followed, and lets `read` take the last answer, while
    /// the connection is open.
    async fn follow<T>(
        &self,
        gate: &Gate<'_>,
        exchange: &Exchange<'_>,
        first: Url,
        left: &Left,
        read: impl AsyncFnOnce(Sent) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut url = first;
        let mut hops = 0;
        loop {
            let connection = self.connect(gate, &url, left).await?;
            let sent = exchange.send(connection, &url, gate, left).await?;
            let Some(next) = gate.next(&exchange.method, &url, &sent.head)? else {
                return read(sent).await;
            };
            if hops == MAX_REDIRECTS {
                return Err(Fault::Failed(
                    Problem::new(
                        "too many redirects",
                        format!("{url} redirects once more after {MAX_REDIRECTS} redirects"),
                    )
                    .with("status", i128::from(sent.head.status.as_u16())),
                ));
            }
            hops += 1;
            left.clear();
            url = next;
        }
    }

    /// Reads what is at a URL, up to `limit` bytes, whatever the status. For providers that read over HTTP.
    pub(crate) async fn get(
        &self,
        account: &HttpAccount,
        url: &Url,
        accept: &'static str,
        limit: u64,
    ) -> Result<(StatusCode, Option<Duration>, Vec<u8>), Fault> {
        let gate = Gate::new(account, url).map_err(Fault::Refused)?;
        let exchange = Exchange {
            method: Method::GET,
            headers: vec![(ACCEPT, HeaderValue::from_static(accept))],
            body: None,
            key: None,
            leaving: &|| true,
        };
        let left = Left::default();
        self.follow(&gate, &exchange, url.clone(), &left, async |mut sent| {
            let mut body = Vec::new();
            match sent.body(limit, &mut body).await {
                Ok(()) => {}
                Err(BodyEnd::Broken(problem)) => return Err(left.fault(problem)),
                Err(BodyEnd::TooLong) => {
                    return Err(Fault::Failed(Problem::new(
                        "too large",
                        format!("{url} answered with more than {limit} bytes"),
                    )));
                }
            }
            let after = answer::retry_after(&sent.head.headers);
            Ok((sent.head.status, after, body))
        })
        .await
    }

    async fn connect(
        &self,
        gate: &Gate<'_>,
        url: &Url,
        left: &Left,
    ) -> Result<exchange::Connection, Fault> {
        let encrypt = match url.scheme() {
            "https" => Some(
                self.engine
                    .tls(gate.account.roots.as_deref())
                    .map_err(|problem| Fault::NotDone(problem, None))?,
            ),
            _ => None,
        };
        gate.connect(url, encrypt, left).await
    }

    /// Asks for the head of a page, for the test of an account.
    fn ask(&self, account: &HttpAccount, url: &str) -> Result<String, Problem> {
        let url = args::parse_url(url)?;
        let gate = Gate::new(account, &url)?;
        let exchange = Exchange {
            method: Method::HEAD,
            headers: Vec::new(),
            body: None,
            key: None,
            leaving: &|| true,
        };
        let left = Left::default();
        self.engine.test(async {
            let status = self
                .follow(&gate, &exchange, url.clone(), &left, async |sent| {
                    Ok(sent.head.status)
                })
                .await
                .map_err(|fault| {
                    fault
                        .problem()
                        .cloned()
                        .unwrap_or_else(|| Problem::new("cancelled", "cancelled"))
                })?;
            match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Problem::new(
                    "http status",
                    format!("HEAD {url} was answered {status}: the credentials are not accepted"),
                )),
                status => Ok(format!("HEAD {url} was answered {status}")),
            }
        })
    }
}
