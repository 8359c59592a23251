//! Connections: a name becomes addresses, each is checked, and exactly the checked one is connected to.

use crate::engine::Left;
use crate::fault::{Fault, Problem};
use crate::guard::Grants;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;
/// Longest wait for one address, so that one that does not answer does not use up the time of those that would.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// A connection that went to a checked address.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) stream: TcpStream,
    pub(crate) address: SocketAddr,
}

/// Connects to a host, by name or address.
pub(crate) async fn connect(host: &str, port: u16, grants: &Grants) -> Result<Connected, Fault> {
    let mut last = None;
    for address in resolve(host, port, grants).await? {
        match tokio::time::timeout(CONNECT_TIME, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small requests should leave at once; that it failed changes only how fast.
                let _ = stream.set_nodelay(true);
                return Ok(Connected { stream, address });
            }
            Ok(Err(error)) => last = Some((address, error.to_string())),
            Err(_) => last = Some((address, format!("no answer within {CONNECT_TIME:?}"))),
        }
    }
    let (address, error) = last.unwrap_or((
        SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port),
        "no address".to_owned(),
    ));
    Err(Fault::not_done(
        "not connected",
        format!("{host}:{port} ({}) was not reached: {error}", address.ip()),
    ))
}

/// The addresses of a host that may be connected to; at least one.
pub(crate) async fn resolve(
    host: &str,
    port: u16,
    grants: &Grants,
) -> Result<Vec<SocketAddr>, Fault> {
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| unresolved(host, &error.to_string()))?
            .collect(),
    };
    let Some(first) = found.first().copied() else {
        return Err(unresolved(host, "it has no address"));
    };
    let allowed: Vec<_> = found
        .into_iter()
        .filter(|address| grants.allow(host, address.ip(), port))
        .take(MAX_ADDRESSES)
        .collect();
    if allowed.is_empty() {
        return Err(Fault::Refused(private(host, first)));
    }
    Ok(allowed)
}

fn unresolved(host: &str, why: &str) -> Fault {
    Fault::not_done(
        "name not resolved",
        format!("the name {host} was not resolved: {why}"),
    )
}

fn private(host: &str, address: SocketAddr) -> Problem {
    let ip = address.ip();
    let which = if host.parse() == Ok(ip) {
        format!("{ip} is a private address")
    } else {
        format!("{host} is at the private address {ip}")
    };
    Problem::new(
        "private address",
        format!(
            "{which}, which this account does not grant; to grant it, add {address} to its allow_private"
        ),
    )
    .with("address", ip.to_string())
}

/// Encrypts a connection.
pub(crate) async fn encrypt(
    stream: TcpStream,
    host: &str,
    config: Arc<ClientConfig>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Fault> {
    let failed = |error: String| {
        Fault::not_done("tls", format!("no encrypted connection to {host}: {error}"))
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
    TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|error| failed(error.to_string()))
}

/// A connection, encrypted or not, that tells [`Left`] once a byte was given to it.
pub(crate) enum Stream {
    Plain(TcpStream, Left),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>, Left),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream, _) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream, _) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let (written, left) = match self.get_mut() {
            Self::Plain(stream, left) => (Pin::new(stream).poll_write(context, bytes), left),
            Self::Tls(stream, left) => (Pin::new(stream).poll_write(context, bytes), left),
        };
        if matches!(written, Poll::Ready(Ok(1..))) {
            left.set();
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream, _) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream, _) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream, _) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream, _) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
