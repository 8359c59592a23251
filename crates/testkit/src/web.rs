//! A real HTTP server on loopback, whose faults are named in the path that is asked for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What the server was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebRequest {
    /// Method and path, as in `POST /mail`.
    pub line: String,
    /// Its `Idempotency-Key`; empty without.
    pub key: String,
    /// Its `Authorization`; empty without.
    pub authorization: String,
    /// Its body.
    pub body: Vec<u8>,
}

#[derive(Default)]
struct State {
    asked: Vec<WebRequest>,
    /// Connections that are never answered, kept open.
    held: Vec<TcpStream>,
}

/// A server. It does what it is asked, and answers with method and path, except:
///
/// - `GET /times/KEY`: how often it was asked for something with this key; not counted itself
/// - `…/lost`: does it and closes the connection without an answer
/// - `…/busy/N`: 429 for the first N requests of this path
/// - `…/second`: the first request of this path is never answered
/// - `…/to?URL`: a redirect there
/// - `…/gone`: 404
pub struct Web {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Web {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<Mutex<State>>::default();
        let theirs = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&theirs);
                // A client that dies in the middle is no matter.
                thread::spawn(move || {
                    let _ = answer(stream, &state);
                });
            }
        });
        Self { address, state }
    }

    /// Where it listens, as `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What it was asked so far, in order.
    pub fn asked(&self) -> Vec<WebRequest> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked.clone()
    }

    /// The lines of what it was asked so far.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

/// How often the server at an address did something with this key.
pub fn times(address: &str, key: &str) -> u64 {
    let mut stream = TcpStream::connect(address).expect("a server");
    let request = format!("GET /times/{key} HTTP/1.1\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .expect("a server that listens");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (_, body) = text.rsplit_once("\r\n").expect("a body");
    body.parse().expect("a number")
}

fn answer(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let asked = read(&stream)?;
    let path = asked.line.split_once(' ')?.1.to_owned();
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = path.strip_prefix("/times/") {
        let times = state.asked.iter().filter(|own| own.key == key).count();
        drop(state);
        return write(&stream, "200 OK", "", &times.to_string());
    }
    let before = state
        .asked
        .iter()
        .filter(|own| own.line == asked.line)
        .count();
    let line = asked.line.clone();
    state.asked.push(asked);
    if path.ends_with("/lost") {
        return None;
    }
    if path.ends_with("/second") && before == 0 {
        state.held.push(stream);
        return None;
    }
    drop(state);
    let busy = path
        .rsplit_once("/busy/")
        .and_then(|(_, times)| times.parse().ok());
    match path.split_once("/to?") {
        Some((_, url)) => write(&stream, "302 Found", &format!("location: {url}\r\n"), ""),
        None if busy.is_some_and(|times: usize| before < times) => {
            write(&stream, "429 Too Many Requests", "", "busy")
        }
        None if path.ends_with("/gone") => write(&stream, "404 Not Found", "", "gone"),
        None => write(&stream, "200 OK", "", &line),
    }
}

fn read(stream: &TcpStream) -> Option<WebRequest> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let line = line.trim_end().strip_suffix(" HTTP/1.1")?.to_owned();
    let (mut key, mut authorization, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => key = value.trim().to_owned(),
            "authorization" => authorization = value.trim().to_owned(),
            "content-length" => length = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(WebRequest {
        line,
        key,
        authorization,
        body,
    })
}

fn write(mut stream: &TcpStream, status: &str, headers: &str, body: &str) -> Option<()> {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).ok()
}
