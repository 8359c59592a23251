//! The connection to a mail server, which becomes encrypted on the way.

use crate::engine::Left;
use crate::fault::{Fault, Problem};
use crate::net::{self, Stream, Trigger, Wire};
use lettre::transport::smtp::client::AsyncTokioStream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::ClientConfig;

/// A handle of the connection: one is with the protocol, one with whoever encrypts it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    state: Arc<Mutex<State>>,
    peer: SocketAddr,
}

#[derive(Debug)]
struct State {
    /// None while it is being encrypted, and after that has failed.
    wire: Option<Wire>,
    /// Line ends that came since something was last written.
    lines: usize,
}

impl Line {
    pub(crate) fn new(stream: Stream, peer: SocketAddr, left: Left) -> Self {
        let wire = Wire::new(stream, Trigger::MailEnd, left);
        Self {
            state: Arc::new(Mutex::new(State {
                wire: Some(wire),
                lines: 0,
            })),
            peer,
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.with(|state| state.wire.as_ref().is_some_and(Wire::is_encrypted))
    }

    /// Encrypts the connection, after the server has agreed to that in one answer of `lines` lines. What it has sent
    /// beyond that came unencrypted and from anybody.
    pub(crate) async fn encrypt(
        &self,
        host: &str,
        config: Arc<ClientConfig>,
        lines: usize,
        left: &Left,
    ) -> Result<(), Fault> {
        let (wire, heard) = self.with(|state| (state.wire.take(), state.lines));
        if heard != lines {
            return Err(Fault::NotDone(
                Problem::new(
                    "tls",
                    format!("{host} said more than was asked before the connection was encrypted"),
                ),
                None,
            ));
        }
        let Some(Stream::Plain(stream)) = wire.map(Wire::into_stream) else {
            return Err(Fault::not_done(
                "tls",
                "the connection is encrypted already",
            ));
        };
        let stream = net::encrypt(stream, host, config).await?;
        let wire = Wire::new(stream, Trigger::MailEnd, left.clone());
        self.with(|state| state.wire = Some(wire));
        Ok(())
    }

    fn poll<T>(
        &self,
        work: impl FnOnce(&mut usize, Pin<&mut Wire>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.with(|state| match &mut state.wire {
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            Some(wire) => work(&mut state.lines, Pin::new(wire)),
        })
    }
}

impl AsyncTokioStream for Line {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(|lines, wire| {
            let before = buffer.filled().len();
            let done = wire.poll_read(context, buffer);
            let new = buffer.filled().get(before..).unwrap_or_default();
            *lines += new.iter().filter(|byte| **byte == b'\n').count();
            done
        })
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(|lines, wire| {
            *lines = 0;
            wire.poll_write(context, bytes)
        })
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|_, wire| wire.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|_, wire| wire.poll_shutdown(context))
    }
}
