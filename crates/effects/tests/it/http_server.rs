//! A real HTTP server (hyper), in the clear or with TLS, that remembers what it was asked.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// What is answered: status, headers, body.
pub(crate) struct Reply(
    pub(crate) u16,
    pub(crate) Vec<(String, String)>,
    pub(crate) Vec<u8>,
);

impl Reply {
    pub(crate) fn ok(body: &str) -> Self {
        Self(200, Vec::new(), body.as_bytes().to_vec())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self(status, Vec::new(), b"what is said of it".to_vec())
    }

    pub(crate) fn to(status: u16, location: &str) -> Self {
        Self(
            status,
            vec![("location".to_owned(), location.to_owned())],
            Vec::new(),
        )
    }
}

type Handler = dyn Fn(&Seen) -> Reply + Send + Sync;

/// The server. It ends when dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    _runtime: Runtime,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(None, Arc::new(handler))
    }

    pub(crate) fn start_tls(
        config: ServerConfig,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::with(Some(TlsAcceptor::from(Arc::new(config))), Arc::new(handler))
    }

    fn with(tls: Option<TlsAcceptor>, handler: Arc<Handler>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::clone(&seen);
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, log, handler) = (tls.clone(), Arc::clone(&log), Arc::clone(&handler));
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(request, &log, &*handler));
                    let server = hyper::server::conn::http1::Builder::new();
                    // How a connection ends is the client's business, and what the tests look at there.
                    match tls {
                        None => {
                            let io = TokioIo::new(stream);
                            let _ = server.serve_connection(io, service).await;
                        }
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                let io = TokioIo::new(stream);
                                let _ = server.serve_connection(io, service).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            port,
            seen,
            _runtime: runtime,
        }
    }

    /// A URL of this server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(
    request: Request<Incoming>,
    log: &Mutex<Vec<Seen>>,
    handler: &Handler,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(_) => b"cut short".to_vec(),
    };
    let seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: parts.headers,
        body,
    };
    log.lock().unwrap().push(seen.clone());
    let Reply(status, headers, body) = handler(&seen);
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(Bytes::from(body))).unwrap())
}
