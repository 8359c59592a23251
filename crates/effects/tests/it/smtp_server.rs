//! A real SMTP server (RFC 5321, 3207, 4954), small, that goes wrong exactly where it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Longest wait for the other side, in the server and for the server.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is done at a stage instead of what is right.
#[derive(Clone)]
pub(crate) enum Fault {
    /// This line is answered.
    Say(&'static str),
    /// The connection is closed.
    Close,
    /// Nothing is said; the connection stays open until the client ends it.
    Silence,
}

/// How the server is set up.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Encrypted from the first byte.
    pub(crate) implicit: bool,
    /// The credentials that are accepted.
    pub(crate) login: Option<(&'static str, &'static str)>,
    /// The one mechanism that is offered: PLAIN or LOGIN.
    pub(crate) mechanism: &'static str,
    /// By stage: `greeting`, the command's word, `<address>` of a recipient, `body` (in the middle of it), `dot` (after it).
    pub(crate) faults: BTreeMap<&'static str, Fault>,
}

/// A mail that was taken, dots undone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) data: String,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    mails: Arc<Mutex<Vec<Mail>>>,
    ended: Receiver<Vec<String>>,
}

impl Server {
    pub(crate) fn start(setup: Setup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&mails);
        let (tell, ended): (Sender<Vec<String>>, _) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut talk = Talk {
                    setup: &setup,
                    heard: Vec::new(),
                    mail: Mail::default(),
                    mails: &taken,
                };
                talk.serve(stream);
                let _ = tell.send(talk.heard);
            }
        });
        Self { port, mails, ended }
    }

    /// The mails that were taken.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap().clone()
    }

    /// The same while it takes them.
    pub(crate) fn taken(&self) -> Arc<Mutex<Vec<Mail>>> {
        Arc::clone(&self.mails)
    }

    /// Waits for the end of a conversation and returns what the client said in it.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.ended.recv_timeout(PATIENCE).unwrap()
    }

    /// Whether nobody has talked to it since.
    pub(crate) fn is_unheard(&self) -> bool {
        self.ended.try_recv().is_err()
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

struct Talk<'a> {
    setup: &'a Setup,
    heard: Vec<String>,
    mail: Mail,
    mails: &'a Mutex<Vec<Mail>>,
}

/// The conversation is over.
struct Over;

impl Talk<'_> {
    fn serve(&mut self, stream: TcpStream) {
        if !self.setup.implicit {
            let raw = stream.try_clone().unwrap();
            if let Ok(true) = self.talk(&mut BufReader::new(Box::new(stream)), true) {
                self.encrypted(raw, false);
            }
        } else {
            self.encrypted(stream, true);
        }
    }

    fn encrypted(&mut self, stream: TcpStream, greet: bool) {
        let config = Arc::clone(self.setup.tls.as_ref().unwrap());
        let stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
        self.heard.push("(encrypted)".to_owned());
        let _ = self.talk(&mut BufReader::new(Box::new(stream)), greet);
    }

    /// What goes wrong at this stage, if anything does.
    fn fault(&self, stage: &str, line: &mut BufReader<Box<dyn Stream + '_>>) -> Result<bool, Over> {
        match self.setup.faults.get(stage) {
            None => Ok(false),
            Some(Fault::Say(text)) => say(line, text).map(|()| true),
            Some(Fault::Close) => Err(Over),
            Some(Fault::Silence) => {
                let _ = line.read_to_end(&mut Vec::new());
                Err(Over)
            }
        }
    }

    /// Talks until the client wants encryption (true) or leaves (false).
    fn talk<'s>(
        &mut self,
        line: &mut BufReader<Box<dyn Stream + 's>>,
        greet: bool,
    ) -> Result<bool, Over> {
        if greet && !self.fault("greeting", line)? {
            say(line, "220 mail.test ESMTP")?;
        }
        loop {
            let heard = hear(line)?;
            self.heard.push(heard.clone());
            let word = heard.split(' ').next().unwrap_or_default().to_uppercase();
            if self.fault(&word, line)? {
                continue;
            }
            match word.as_str() {
                "EHLO" => self.hello(line)?,
                "STARTTLS" => {
                    say(line, "220 go on")?;
                    return Ok(true);
                }
                "AUTH" => self.log_in(&heard, line)?,
                "MAIL" => {
                    self.mail = Mail {
                        from: heard,
                        ..Mail::default()
                    };
                    say(line, "250 2.1.0 ok")?;
                }
                "RCPT" => {
                    let address = heard.trim_start_matches("RCPT TO:");
                    if !self.fault(address, line)? {
                        self.mail.to.push(address.to_owned());
                        say(line, "250 2.1.5 ok")?;
                    }
                }
                "DATA" => self.data(line)?,
                "RSET" => say(line, "250 2.0.0 ok")?,
                "QUIT" => {
                    say(line, "221 2.0.0 bye")?;
                    return Ok(false);
                }
                _ => say(line, "502 5.5.2 what?")?,
            }
        }
    }

    fn hello(&self, line: &mut BufReader<Box<dyn Stream + '_>>) -> Result<(), Over> {
        let encrypted = self.heard.iter().any(|heard| heard == "(encrypted)");
        let mut offers = vec!["mail.test".to_owned(), "8BITMIME".to_owned()];
        if self.setup.tls.is_some() && !encrypted {
            offers.push("STARTTLS".to_owned());
        }
        if self.setup.login.is_some() && (encrypted || self.setup.tls.is_none()) {
            offers.push(format!("AUTH {}", self.setup.mechanism));
        }
        let last = offers.len() - 1;
        for (i, offer) in offers.iter().enumerate() {
            let dash = if i == last { " " } else { "-" };
            say(line, &format!("250{dash}{offer}"))?;
        }
        Ok(())
    }

    fn log_in(
        &mut self,
        heard: &str,
        line: &mut BufReader<Box<dyn Stream + '_>>,
    ) -> Result<(), Over> {
        use data_encoding::BASE64;
        let (user, secret) = self.setup.login.unwrap();
        let right = if self.setup.mechanism == "PLAIN" {
            heard
                == format!(
                    "AUTH PLAIN {}",
                    BASE64.encode(format!("\0{user}\0{secret}").as_bytes())
                )
        } else {
            say(line, "334 VXNlcm5hbWU6")?;
            let first = hear(line)?;
            say(line, "334 UGFzc3dvcmQ6")?;
            let second = hear(line)?;
            self.heard.extend([first.clone(), second.clone()]);
            heard == "AUTH LOGIN"
                && first == BASE64.encode(user.as_bytes())
                && second == BASE64.encode(secret.as_bytes())
        };
        say(
            line,
            if right {
                "235 2.7.0 welcome"
            } else {
                "535 5.7.8 no"
            },
        )
    }

    fn data(&mut self, line: &mut BufReader<Box<dyn Stream + '_>>) -> Result<(), Over> {
        say(line, "354 go on")?;
        loop {
            let text = hear(line)?;
            if text == "." {
                break;
            }
            self.fault("body", line)?;
            self.mail
                .data
                .push_str(text.strip_prefix('.').unwrap_or(&text));
            self.mail.data.push('\n');
        }
        self.heard.push("(dot)".to_owned());
        if !self.fault("dot", line)? {
            self.mails.lock().unwrap().push(self.mail.clone());
            say(line, "250 2.0.0 queued as 42")?;
        }
        Ok(())
    }
}

fn say(line: &mut BufReader<Box<dyn Stream + '_>>, text: &str) -> Result<(), Over> {
    let out = line.get_mut();
    let said = out.write_all(format!("{text}\r\n").as_bytes());
    said.and_then(|()| out.flush()).map_err(|_| Over)
}

/// One line. A bare line feed inside it stays in it.
fn hear(line: &mut BufReader<Box<dyn Stream + '_>>) -> Result<String, Over> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n") {
        match line.read_until(b'\n', &mut text) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(Over),
        }
    }
    Ok(String::from_utf8(text)
        .unwrap()
        .trim_end_matches("\r\n")
        .to_owned())
}
