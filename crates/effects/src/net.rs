//! Connections: a name becomes addresses, each is checked, and exactly the checked one is connected to.

use crate::engine::Left;
use crate::fault::{Fault, Problem};
use crate::guard::Grants;
use std::io;
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
/// Longest wait for an address while there are others: one that does not answer (a network without IPv6, perhaps) must not
/// use up the time of those that would.
const NEXT_AFTER: Duration = Duration::from_secs(2);
/// Longest wait for the last address.
const CONNECT_TIME: Duration = Duration::from_secs(30);

/// A connection that went to a checked address.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) stream: TcpStream,
    pub(crate) address: SocketAddr,
}

/// Connects to a host, by name or address.
pub(crate) async fn connect(host: &str, port: u16, grants: &Grants) -> Result<Connected, Fault> {
    let mut last = None;
    let mut addresses = resolve(host, port, grants).await?.into_iter().peekable();
    while let Some(address) = addresses.next() {
        let patience = match addresses.peek() {
            Some(_) => NEXT_AFTER,
            None => CONNECT_TIME,
        };
        match tokio::time::timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small requests should leave at once; that it failed changes only how fast.
                let _ = stream.set_nodelay(true);
                return Ok(Connected { stream, address });
            }
            Ok(Err(error)) => last = Some((address, error.to_string())),
            Err(_) => last = Some((address, format!("no answer within {patience:?}"))),
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
) -> Result<Stream, Fault> {
    let failed = |error: String| {
        Fault::not_done("tls", format!("no encrypted connection to {host}: {error}"))
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
    let stream = TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|error| failed(error.to_string()))?;
    Ok(Stream::Tls(Box::new(stream)))
}

/// A connection, encrypted or not.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// What has to be written before the far side may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// Any byte.
    Anything,
    /// The line with a single dot that ends a mail (RFC 5321, section 4.1.1.4). Inside a mail dots are doubled, and no
    /// command is a dot, so it is written once.
    MailEnd,
}

const MAIL_END: [u8; 5] = *b"\r\n.\r\n";

/// A connection that tells [`Left`] once its trigger was written, and writes it only if that was announced.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    trigger: Trigger,
    left: Left,
    /// The last bytes that were written.
    tail: [u8; MAIL_END.len()],
}

impl Wire {
    pub(crate) fn new(stream: Stream, trigger: Trigger, left: Left) -> Self {
        Self {
            stream,
            trigger,
            left,
            tail: [0; MAIL_END.len()],
        }
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    pub(crate) fn into_stream(self) -> Stream {
        self.stream
    }

    /// The last bytes once these were written, and whether the trigger is among what was.
    fn after(&self, bytes: &[u8]) -> ([u8; MAIL_END.len()], bool) {
        let mut tail = self.tail;
        for byte in bytes {
            tail.rotate_left(1);
            if let Some(last) = tail.last_mut() {
                *last = *byte;
            }
            if self.trigger == Trigger::Anything || tail == MAIL_END {
                return (tail, true);
            }
        }
        (tail, false)
    }

    /// These bytes may be on their way.
    fn gone(&mut self, bytes: &[u8]) {
        let (tail, triggers) = self.after(bytes);
        self.tail = tail;
        if triggers {
            self.left.set();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        if wire.after(bytes).1 && !wire.left.is_announced() {
            let error = "a request was about to leave before anybody had been told";
            return Poll::Ready(Err(io::Error::other(error)));
        }
        let (written, when_failed) = match &mut wire.stream {
            Stream::Plain(stream) => (Pin::new(stream).poll_write(context, bytes), 0),
            // It may have sent a part, of which it does not tell once the next part fails.
            Stream::Tls(stream) => (Pin::new(stream).poll_write(context, bytes), bytes.len()),
        };
        let taken = match &written {
            Poll::Pending => 0,
            Poll::Ready(Ok(taken)) => *taken,
            Poll::Ready(Err(_)) => when_failed,
        };
        wire.gone(bytes.get(..taken).unwrap_or_default());
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    /// Without this, a provider that forgets to announce what it sends would send it all the same.
    #[test]
    fn a_wire_lets_nothing_pass_that_was_not_announced() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            for (trigger, before, then) in [
                (Trigger::Anything, "", "P"),
                (Trigger::MailEnd, "DATA\r\nhello\r\n.", "\r\n"),
            ] {
                let stream = TcpStream::connect(address).await.unwrap();
                let left = Left::default();
                let mut wire = Wire::new(Stream::Plain(stream), trigger, left.clone());
                wire.write_all(before.as_bytes()).await.unwrap();
                assert!(wire.write_all(then.as_bytes()).await.is_err(), "{then:?}");
                let fault = left.fault(Problem::new("x", "x"));
                assert!(matches!(fault, Fault::NotDone(..)), "{fault}");
                left.announce(&|| true).unwrap();
                wire.write_all(then.as_bytes()).await.unwrap();
                let fault = left.fault(Problem::new("x", "x"));
                assert!(matches!(fault, Fault::Unknown(_)), "{fault}");
            }
        });
    }
}
