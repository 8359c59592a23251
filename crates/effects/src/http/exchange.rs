//! One request and the head of its answer, over a connection of its own.

use crate::body::Body;
use crate::engine::{Leaving, Left};
use crate::fault::{Fault, Problem};
use crate::http::USER_AGENT;
use crate::http::origin::Gate;
use crate::net::Wire;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use url::{Position, Url};

/// Largest head of an answer, in bytes.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Most headers in an answer.
const MAX_ANSWER_HEADERS: usize = 128;

/// Name of the header by which a server recognises a second attempt.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A connection to a server that may be asked.
pub(crate) struct Connection {
    pub(crate) wire: Wire,
    pub(crate) address: SocketAddr,
}

/// What is sent, wherever it goes.
pub(crate) struct Exchange<'a> {
    pub(crate) method: Method,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Option<Body>,
    /// The idempotency key of what writes.
    pub(crate) key: Option<HeaderValue>,
    /// Asked before it leaves.
    pub(crate) leaving: Leaving<'a>,
}

/// The head of an answer.
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

/// A request that was sent and answered; the answer's body is still to be read.
pub(crate) struct Sent {
    pub(crate) head: Head,
    pub(crate) url: Url,
    pub(crate) left: Left,
    body: Incoming,
    line: Line,
}

type Driver = http1::Connection<TokioIo<Wire>, Full<Bytes>>;

/// The state machine of a connection. It is driven by whoever waits for it and by nobody else, so that nothing moves any
/// more once they stop waiting.
struct Line {
    connection: Option<Pin<Box<Driver>>>,
}

impl Line {
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Some(connection) = &mut self.connection
                && let Poll::Ready(_) = connection.as_mut().poll(context)
            {
                // How it ended is told to whoever waits for the answer.
                self.connection = None;
            }
            work.as_mut().poll(context)
        })
        .await
    }
}

impl Exchange<'_> {
    /// Sends the request and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        connection: Connection,
        url: &Url,
        gate: &Gate<'_>,
        left: &Left,
    ) -> Result<Sent, Fault> {
        let request = self.request(url, gate, connection.address)?;
        left.announce(self.leaving)?;
        let (mut sender, driver) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_ANSWER_HEADERS)
            .handshake(TokioIo::new(connection.wire))
            .await
            .map_err(|error| left.fault(broken(url, &error)))?;
        let mut line = Line {
            connection: Some(Box::pin(driver)),
        };
        let response = line
            .drive(sender.send_request(request))
            .await
            .map_err(|error| left.fault(broken(url, &error)))?;
        let (parts, body) = response.into_parts();
        Ok(Sent {
            head: Head {
                status: parts.status,
                headers: parts.headers,
            },
            url: url.clone(),
            left: left.clone(),
            body,
            line,
        })
    }

    fn request(
        &self,
        url: &Url,
        gate: &Gate<'_>,
        address: SocketAddr,
    ) -> Result<Request<Full<Bytes>>, Fault> {
        let bad = |error: &dyn std::fmt::Display| Fault::bad_arguments(error.to_string());
        let authority = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        let body = self
            .body
            .as_ref()
            .map_or_else(Bytes::new, |body| Bytes::copy_from_slice(&body.bytes));
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, authority)
            .body(Full::new(body))
            .map_err(|error| bad(&error))?;
        let headers = request.headers_mut();
        headers.insert("user-agent", HeaderValue::from_static(USER_AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(body) = &self.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(body.content_type));
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        if let Some(key) = &self.key {
            headers.insert(IDEMPOTENCY_KEY, key.clone());
        }
        if let Some((name, value)) = gate.credentials(url, address).map_err(Fault::Refused)? {
            headers.insert(name, value);
        }
        Ok(request)
    }
}

/// How reading a body ended before the body did.
pub(crate) enum BodyEnd {
    /// It has more bytes than were asked for.
    TooLong,
    /// The connection broke.
    Broken(Problem),
}

impl Sent {
    /// Appends the body to `into`, up to `limit` bytes.
    pub(crate) async fn body(&mut self, limit: u64, into: &mut Vec<u8>) -> Result<(), BodyEnd> {
        while let Some(frame) = self.line.drive(self.body.frame()).await {
            let frame = frame.map_err(|error| BodyEnd::Broken(broken(&self.url, &error)))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let room = limit.saturating_sub(into.len() as u64);
            let taken = usize::try_from(room).map_or(data.len(), |room| data.len().min(room));
            into.extend_from_slice(data.get(..taken).unwrap_or_default());
            if taken < data.len() {
                return Err(BodyEnd::TooLong);
            }
        }
        Ok(())
    }
}

/// What is known of an exchange that has no complete answer.
fn broken(url: &Url, error: &dyn Error) -> Problem {
    let mut message = format!("{url} gave no complete answer: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    Problem::new("connection broke", message)
}
