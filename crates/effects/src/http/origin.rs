//! Where a request may go, with which credentials, and whether it may follow a redirect. Decides; asks nobody, but for
//! the connection that the decision is about.

use crate::account::{HttpAccount, HttpAuth};
use crate::engine::Left;
use crate::fault::{Fault, Problem};
use crate::guard::{Grants, is_public, split_host};
use crate::http::args::check_url;
use crate::http::exchange::{Connection, Head};
use crate::net::{self, Stream, Trigger, Wire};
use data_encoding::BASE64;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue, LOCATION};
use hyper::{Method, StatusCode};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_rustls::rustls::ClientConfig;
use url::{Host, Url};
use zeroize::Zeroizing;

/// Whether an account is for the host of a URL.
pub(crate) fn names(account: &HttpAccount, url: &Url) -> bool {
    let Some(hosts) = &account.hosts else {
        return true;
    };
    let (host, port) = place(url);
    hosts.iter().any(|entry| {
        split_host(entry).is_some_and(|(name, at)| {
            name.eq_ignore_ascii_case(&host) && at.is_none_or(|at| at == port)
        })
    })
}

/// What an account lets through.
pub(crate) struct Gate<'a> {
    pub(crate) account: &'a HttpAccount,
    grants: Grants,
    /// Scheme, host and port that were asked for: credentials go nowhere else.
    home: url::Origin,
}

impl<'a> Gate<'a> {
    /// For a request that begins at this URL.
    pub(crate) fn new(account: &'a HttpAccount, url: &Url) -> Result<Self, Problem> {
        let bad = |error: &dyn std::fmt::Display| Problem::new("bad account", error.to_string());
        crate::http::check_auth(&account.auth).map_err(|error| bad(&error))?;
        if account.auth != HttpAuth::None && account.hosts.is_none() {
            return Err(bad(&crate::AccountError::CredentialsForAll));
        }
        let gate = Self {
            account,
            grants: Grants::parse(&account.allow_private).map_err(|error| bad(&error))?,
            home: url.origin(),
        };
        gate.permit(url)?;
        Ok(gate)
    }

    /// Whether the account names this host.
    fn permit(&self, url: &Url) -> Result<(), Problem> {
        if names(self.account, url) {
            return Ok(());
        }
        let (host, port) = place(url);
        Err(Problem::new(
            "host not granted",
            format!("{host}:{port} is not among the hosts of this account"),
        ))
    }

    /// Connects to the server of a URL.
    pub(crate) async fn connect(
        &self,
        url: &Url,
        encrypt: Option<Arc<ClientConfig>>,
        left: &Left,
    ) -> Result<Connection, Fault> {
        let (host, port) = place(url);
        let connected = net::connect(&host, port, &self.grants).await?;
        let address = connected.address;
        self.credentials(url, address).map_err(Fault::Refused)?;
        let stream = match encrypt {
            None => Stream::Plain(connected.stream),
            Some(config) => net::encrypt(connected.stream, &host, config).await?,
        };
        Ok(Connection {
            wire: Wire::new(stream, Trigger::Anything, left.clone()),
            address,
        })
    }

    /// The header with the credentials, if this URL is to have them.
    pub(crate) fn credentials(
        &self,
        url: &Url,
        address: SocketAddr,
    ) -> Result<Option<(HeaderName, HeaderValue)>, Problem> {
        let (name, text) = match &self.account.auth {
            HttpAuth::None => return Ok(None),
            _ if url.origin() != self.home => return Ok(None),
            HttpAuth::Bearer(secret) => (
                AUTHORIZATION,
                Zeroizing::new(format!("Bearer {}", secret.expose())),
            ),
            HttpAuth::Basic(user, secret) => {
                let pair = Zeroizing::new(format!("{user}:{}", secret.expose()));
                let text = Zeroizing::new(BASE64.encode(pair.as_bytes()));
                (AUTHORIZATION, Zeroizing::new(format!("Basic {}", *text)))
            }
            HttpAuth::Header(name, secret) => (
                HeaderName::try_from(name.as_str())
                    .map_err(|error| Problem::new("bad account", error.to_string()))?,
                Zeroizing::new(secret.expose().to_owned()),
            ),
        };
        if url.scheme() != "https" && is_public(address.ip()) {
            return Err(Problem::new(
                "credentials in clear",
                format!(
                    "credentials are not sent unencrypted to {}; write https:",
                    address.ip()
                ),
            ));
        }
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| Problem::new("bad account", "the secret cannot be sent as a header"))?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }

    /// Where to ask next, if this answer says so and the request may follow. A request that writes is repeated only where
    /// the same server says that it has not been done (307, 308).
    pub(crate) fn next(
        &self,
        method: &Method,
        url: &Url,
        head: &Head,
    ) -> Result<Option<Url>, Fault> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let redirects = match head.status {
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => reads,
            _ => false,
        };
        let Some(location) = head.headers.get(LOCATION).filter(|_| redirects) else {
            return Ok(None);
        };
        let refused = |what: String| Fault::Refused(Problem::new("redirect refused", what));
        let mut next = location
            .to_str()
            .ok()
            .and_then(|text| url.join(text).ok())
            .ok_or_else(|| refused(format!("{url} redirects to what is no URL")))?;
        next.set_fragment(None);
        if !reads && next.origin() != url.origin() {
            return Ok(None);
        }
        check_url(&next).map_err(|what| {
            refused(format!("{url} redirects to an address that {what}: {next}"))
        })?;
        if url.scheme() == "https" && next.scheme() != "https" {
            return Err(refused(format!(
                "{url} redirects from https: to http:, to {next}"
            )));
        }
        self.permit(&next).map_err(Fault::Refused)?;
        Ok(Some(next))
    }
}

/// Host and port of a URL that was checked. IPv6 addresses are without brackets.
pub(crate) fn place(url: &Url) -> (String, u16) {
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => String::new(),
    };
    (host, url.port_or_known_default().unwrap_or_default())
}
