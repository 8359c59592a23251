//! One conversation with a mail server (RFC 5321).

use crate::account::{SmtpAccount, SmtpTls};
use crate::engine::{Engine, Leaving, Left};
use crate::fault::{Fault, Problem};
use crate::guard::{Grants, is_public};
use crate::net::{self, Stream};
use crate::smtp::line::Line;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Auth, Data, Ehlo, Mail, Quit, Rcpt, Rset, Starttls};
use lettre::transport::smtp::extension::{ClientId, Extension, ServerInfo};
use lettre::transport::smtp::response::{Response, Severity};
use std::net::SocketAddr;
use std::time::Duration;

/// Longest wait for a server's farewell, after everything that matters is known.
const FAREWELL_TIME: Duration = Duration::from_secs(5);
/// Most questions that a server may ask when somebody logs in.
const MAX_CHALLENGES: usize = 4;

/// A server that is ready to take a mail.
pub(crate) struct Session {
    connection: AsyncSmtpConnection,
    info: ServerInfo,
    left: Left,
    server: String,
    pub(crate) encrypted: bool,
}

/// The fault of a command that was not answered well.
fn fault(left: &Left, server: &str, stage: &'static str, error: &Error) -> Fault {
    let problem = Problem::new(
        if error.status().is_some() {
            "smtp status"
        } else {
            "connection broke"
        },
        format!("{server} did not accept {stage}: {error}"),
    )
    .with("stage", stage);
    match error.status() {
        None => left.fault(problem),
        Some(code) => {
            let number = i128::from(u16::from(code));
            let problem = problem.with("code", number);
            match code.severity {
                Severity::TransientNegativeCompletion => Fault::NotDone(problem, None),
                _ => Fault::Failed(problem),
            }
        }
    }
}

impl Session {
    /// Connects, encrypts and logs in, as the account says.
    pub(crate) async fn open(
        engine: &Engine,
        account: &SmtpAccount,
        left: &Left,
    ) -> Result<Self, Fault> {
        let refused = |problem| Err(Fault::Refused(problem));
        let grants = match Grants::parse(&account.allow_private) {
            Ok(grants) => grants,
            Err(error) => return refused(Problem::new("bad account", error.to_string())),
        };
        let connected = net::connect(&account.server, account.port, &grants).await?;
        let peer = connected.address;
        if account.user.is_some() && account.tls == SmtpTls::None && is_public(peer.ip()) {
            return refused(Problem::new(
                "credentials in clear",
                format!("credentials are not sent unencrypted to {}", peer.ip()),
            ));
        }
        let config = match account.tls {
            SmtpTls::None => None,
            SmtpTls::StartTls | SmtpTls::Implicit => Some(
                engine
                    .tls(account.roots.as_deref())
                    .map_err(|problem| Fault::NotDone(problem, None))?,
            ),
        };
        let hello = hello(connected.stream.local_addr().ok());
        let (stream, upgrade) = match (account.tls, config) {
            (SmtpTls::Implicit, Some(config)) => (
                net::encrypt(connected.stream, &account.server, config).await?,
                None,
            ),
            (_, config) => (Stream::Plain(connected.stream), config),
        };
        let line = Line::new(stream, peer, left.clone());
        let connection =
            AsyncSmtpConnection::connect_with_transport(Box::new(line.clone()), &hello)
                .await
                .map_err(|error| fault(left, &account.server, "the greeting", &error))?;
        let mut session = Self {
            info: connection.server_info().clone(),
            connection,
            left: left.clone(),
            server: account.server.clone(),
            encrypted: false,
        };
        if let Some(config) = upgrade {
            let lines = session.ask_to_encrypt().await?;
            line.encrypt(&account.server, config, lines, left).await?;
            let answer = session.say("EHLO", Ehlo::new(hello)).await?;
            session.info = ServerInfo::from_response(&answer)
                .map_err(|error| fault(left, &account.server, "EHLO", &error))?;
        }
        session.encrypted = line.is_encrypted();
        session.log_in(account).await?;
        Ok(session)
    }

    async fn say(
        &mut self,
        stage: &'static str,
        command: impl std::fmt::Display,
    ) -> Result<Response, Fault> {
        self.connection
            .command(command)
            .await
            .map_err(|error| fault(&self.left, &self.server, stage, &error))
    }

    /// Agrees with the server on encryption, and returns how many lines it said to that.
    async fn ask_to_encrypt(&mut self) -> Result<usize, Fault> {
        if !self.info.supports_feature(Extension::StartTls) {
            return Err(Fault::not_done(
                "tls",
                format!(
                    "{} does not offer STARTTLS, and the account asks for it",
                    self.server
                ),
            ));
        }
        let answer = self.say("STARTTLS", Starttls).await?;
        Ok(answer.message().count())
    }

    async fn log_in(&mut self, account: &SmtpAccount) -> Result<(), Fault> {
        let (Some(user), Some(secret)) = (&account.user, &account.secret) else {
            return Ok(());
        };
        let mechanism = self
            .info
            .get_auth_mechanism(&[Mechanism::Plain, Mechanism::Login])
            .ok_or_else(|| {
                Fault::Failed(Problem::new(
                    "no login",
                    format!(
                        "{} offers neither PLAIN nor LOGIN, which are understood here",
                        self.server
                    ),
                ))
            })?;
        let credentials = Credentials::new(user.clone(), secret.expose().to_owned());
        let failed = |session: &Self, error: &Error| {
            fault(&session.left, &session.server, "the login", error)
        };
        let first = Auth::new(mechanism, credentials.clone(), None)
            .map_err(|error| failed(self, &error))?;
        let mut answer = self.say("the login", first).await?;
        for _ in 0..MAX_CHALLENGES {
            if !answer.has_code(334) {
                return Ok(());
            }
            let next = Auth::new_from_response(mechanism, credentials.clone(), &answer)
                .map_err(|error| failed(self, &error))?;
            answer = self.say("the login", next).await?;
        }
        Err(Fault::not_done(
            "no login",
            format!("{} does not stop asking for a login", self.server),
        ))
    }

    /// Sends one mail to all recipients or to none, and returns what the server said last.
    pub(crate) async fn send(
        mut self,
        from: &Address,
        to: &[Address],
        message: &[u8],
        leaving: Leaving<'_>,
    ) -> Result<String, Fault> {
        let sent = self.transact(from, to, message, leaving).await;
        // In the middle of a mail there are no commands: the server forgets it when the connection ends.
        if sent != Err(Fault::Cancelled) {
            self.leave(sent.is_err());
        }
        sent
    }

    async fn transact(
        &mut self,
        from: &Address,
        to: &[Address],
        message: &[u8],
        leaving: Leaving<'_>,
    ) -> Result<String, Fault> {
        self.say("the sender", Mail::new(Some(from.clone()), Vec::new()))
            .await?;
        let mut refused = Vec::new();
        for address in to {
            match self
                .say("a recipient", Rcpt::new(address.clone(), Vec::new()))
                .await
            {
                Ok(_) => {}
                Err(fault) if answered(&fault) => refused.push((address, fault)),
                Err(fault) => return Err(fault),
            }
        }
        if !refused.is_empty() {
            return Err(not_for_all(&refused));
        }
        self.say("the mail", Data).await?;
        self.left.announce(leaving)?;
        let answer = self
            .connection
            .message(message)
            .await
            .map_err(|error| fault(&self.left, &self.server, "the mail", &error))?;
        let lines: Vec<_> = answer.message().collect();
        Ok(format!("{} {}", answer.code(), lines.join("\n")))
    }

    /// Says goodbye. What was to be known is known; nobody waits for this.
    fn leave(mut self, reset: bool) {
        tokio::spawn(tokio::time::timeout(FAREWELL_TIME, async move {
            if reset {
                let _ = self.connection.command(Rset).await;
            }
            let _ = self.connection.command(Quit).await;
        }));
    }

    /// Ends a conversation in which there was nothing to send.
    pub(crate) async fn close(mut self) {
        let _ = self.connection.command(Quit).await;
    }
}

/// Whether the server said it.
fn answered(fault: &Fault) -> bool {
    fault
        .problem()
        .is_some_and(|problem| problem.reason == "smtp status")
}

/// Nobody gets a mail that not everybody can get. If one recipient is refused for good, so is the mail.
fn not_for_all(refused: &[(&Address, Fault)]) -> Fault {
    let names: Vec<_> = refused
        .iter()
        .map(|(address, fault)| format!("{address} ({fault})"))
        .collect();
    let list = refused
        .iter()
        .map(|(address, _)| ipvm_ipld::Ipld::String(address.to_string()))
        .collect::<Vec<_>>();
    let message = format!("nothing was sent, since not for all: {}", names.join("; "));
    let code = refused
        .iter()
        .filter_map(|(_, fault)| fault.problem()?.details.get("code").cloned())
        .next_back();
    let mut problem = Problem::new("recipient refused", message).with("refused", list);
    if let Some(code) = code {
        problem = problem.with("code", code);
    }
    let for_good = refused
        .iter()
        .any(|(_, fault)| matches!(fault, Fault::Failed(_)));
    if for_good {
        Fault::Failed(problem)
    } else {
        Fault::NotDone(problem, None)
    }
}

/// How this side names itself: by its address, since a name would have to be one that the server can look up.
fn hello(local: Option<SocketAddr>) -> ClientId {
    match local {
        Some(SocketAddr::V4(address)) => ClientId::Ipv4(*address.ip()),
        Some(SocketAddr::V6(address)) => ClientId::Ipv6(*address.ip()),
        None => ClientId::Domain("localhost".to_owned()),
    }
}
