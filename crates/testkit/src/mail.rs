//! A real SMTP server (RFC 5321, RFC 4954) on loopback, whose faults are named by the recipient.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Longest wait for a mail that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mail that the server took: the client had sent its last dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its `Message-ID`, with the angle brackets.
    pub id: String,
    /// Who sends it, as the server was told.
    pub from: String,
    /// Who gets it, as the server was told.
    pub to: Vec<String>,
    /// What the client logged in with, in base64; empty without a login.
    pub login: String,
    /// Headers and body, line by line, dots undone.
    pub text: String,
}

#[derive(Default)]
struct State {
    mails: Vec<Mail>,
    /// What came before the mails: each command, in order, of all conversations.
    heard: Vec<String>,
    /// Recipients that were told once to come again.
    put_off: BTreeSet<String>,
    /// Conversations that are never gone on with, kept open.
    held: Vec<TcpStream>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    took: Condvar,
}

/// A server. It takes any mail and any login by PLAIN, except for these recipients:
///
/// - `lost@…`: takes the mail and closes the connection without an answer to the last dot
/// - `held@…`: takes the mail and never answers, with the connection open
/// - `stuck@…`: no answer the first time it is named, with the connection open
/// - `busy@…`: 451 the first time it is named
/// - `no@…`: 550
pub struct MailServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl MailServer {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&theirs);
                // A client that dies in the middle is no matter.
                thread::spawn(move || {
                    let _ = talk(stream, &shared);
                });
            }
        });
        Self { address, shared }
    }

    /// Where it listens, as `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The mails that it took so far, in order.
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.lock().mails.clone()
    }

    /// Waits until it has taken so many, and returns all.
    pub fn wait_for(&self, mails: usize) -> Vec<Mail> {
        let state = self.shared.lock();
        let (state, waited) = self
            .shared
            .took
            .wait_timeout_while(state, PATIENCE, |state| state.mails.len() < mails)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "{} mails came", state.mails.len());
        state.mails.clone()
    }

    /// Waits until it never answers a conversation any more.
    pub fn wait_until_stuck(&self) {
        let state = self.shared.lock();
        let (state, waited) = self
            .shared
            .took
            .wait_timeout_while(state, PATIENCE, |state| state.held.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "heard: {:?}", state.heard);
    }

    /// How often a command with these words was heard.
    pub fn times(&self, words: &str) -> usize {
        let state = self.shared.lock();
        let heard = state.heard.iter();
        heard.filter(|heard| heard.contains(words)).count()
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hear(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = reader.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The address between angle brackets.
fn address(command: &str) -> String {
    let (_, rest) = command.split_once('<').unwrap_or_default();
    rest.split('>').next().unwrap_or_default().to_owned()
}

fn talk(mut stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut say = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes()).ok();
    let (mut login, mut from, mut to) = (String::new(), String::new(), Vec::new());
    say("220 mail.test ESMTP")?;
    loop {
        let command = hear(&mut reader)?;
        shared.lock().heard.push(command.clone());
        let word = command.split(' ').next().unwrap_or_default();
        match word.to_ascii_uppercase().as_str() {
            "EHLO" => say("250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN")?,
            "AUTH" => {
                login = command.trim_start_matches("AUTH PLAIN ").to_owned();
                say("235 welcome")?;
            }
            "MAIL" => {
                from = address(&command);
                to.clear();
                say("250 ok")?;
            }
            "RCPT" => {
                let recipient = address(&command);
                let is_first = shared.lock().put_off.insert(recipient.clone());
                match recipient.split('@').next() {
                    Some("no") => say("550 nobody of that name")?,
                    Some("busy") if is_first => say("451 come again")?,
                    Some("stuck") if is_first => {
                        shared.lock().held.push(reader.into_inner());
                        shared.took.notify_all();
                        return None;
                    }
                    _ => {
                        to.push(recipient);
                        say("250 ok")?;
                    }
                }
            }
            "DATA" => {
                say("354 go on")?;
                let mail = take(&mut reader, &login, &from, &to)?;
                shared.lock().mails.push(mail);
                shared.took.notify_all();
                let is = |name: &str| to.iter().any(|to| to.starts_with(name));
                if is("lost@") {
                    return None;
                }
                if is("held@") {
                    shared.lock().held.push(reader.into_inner());
                    return None;
                }
                say("250 taken")?;
            }
            "RSET" | "NOOP" => say("250 ok")?,
            "QUIT" => return say("221 bye"),
            _ => say("502 what?")?,
        }
    }
}

/// The mail itself, to its last dot.
fn take(reader: &mut BufReader<TcpStream>, login: &str, from: &str, to: &[String]) -> Option<Mail> {
    let mut text = String::new();
    loop {
        let line = hear(reader)?;
        if line == "." {
            break;
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push('\n');
    }
    let id = text
        .lines()
        .find_map(|line| line.strip_prefix("Message-ID: "))
        .unwrap_or_default();
    Some(Mail {
        id: id.to_owned(),
        from: from.to_owned(),
        to: to.to_vec(),
        login: login.to_owned(),
        text,
    })
}
