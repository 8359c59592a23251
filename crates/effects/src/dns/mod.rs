//! `/crud/*` on `dns:`: questions to the system's resolver or a server, and updates of a zone at its server.
//!
//! An update is one message: a record set is created, replaced or removed whole or not at all.

mod args;
mod query;
mod records;
mod update;

use crate::account::{Account, AccountError, DnsAccount};
use crate::engine::{Engine, Leaving, Left, Patience};
use crate::fault::{Fault, Probe, Problem};
use crate::guard::{Grants, split_host};
use crate::net::{self, Stream, Trigger, Wire};
use crate::request::Request;
use crate::{Kind, Provider};
use args::{Action, PORT, Place, Values};
use ipvm_ipld::Ipld;
use ipvm_ucan::Command;
use ipvm_workflow::{Class, class_of};
use query::Found;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use update::{Authority, Signed};

/// Asks and updates DNS.
pub(crate) struct Dns {
    engine: Arc<Engine>,
}

impl Dns {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

/// Whether zone, key, secret and server can be read.
pub(crate) fn check_account(account: &DnsAccount) -> Result<(), AccountError> {
    let field = |field| move |what| AccountError::Field { field, what };
    Server::of(account).map_err(|what| field("server")(format!("is wrong: {what}")))?;
    if let Some(zone) = &account.zone {
        args::parse_name(zone).map_err(|what| field("zone")(format!("is wrong: {what}")))?;
    }
    Authority::of(account).map_err(|what| field("key")(format!("cannot be used: {what}")))?;
    Ok(())
}

/// The server of an account.
struct Server<'a> {
    host: &'a str,
    port: u16,
    /// As the account writes it.
    called: &'a str,
}

impl<'a> Server<'a> {
    fn of(account: &'a DnsAccount) -> Result<Option<Self>, String> {
        let Some(called) = account.server.as_deref() else {
            return Ok(None);
        };
        let (host, port) = split_host(called)
            .ok_or_else(|| format!("{called:?} is no server; write host or host:port"))?;
        Ok(Some(Self {
            host,
            port: port.unwrap_or(PORT),
            called,
        }))
    }
}

/// An account, read.
struct Settings<'a> {
    server: Option<Server<'a>>,
    authority: Option<Authority>,
    grants: Grants,
}

impl<'a> Settings<'a> {
    fn of(account: &'a Account) -> Result<Self, Problem> {
        let Account::Dns(account) = account else {
            return Err(Problem::wrong_account(Kind::Dns, account.kind()));
        };
        let bad = |error: String| Problem::new("bad account", error);
        Ok(Self {
            server: Server::of(account).map_err(bad)?,
            authority: Authority::of(account).map_err(bad)?,
            grants: Grants::parse(&account.allow_private).map_err(|e| bad(e.to_string()))?,
        })
    }

    /// A URI may name the server that is asked anyway, and no other.
    fn permit_server(&self, place: &Place) -> Result<(), Problem> {
        let Some((host, port)) = &place.server else {
            return Ok(());
        };
        let same = self
            .server
            .as_ref()
            .is_some_and(|own| own.host.eq_ignore_ascii_case(host) && own.port == *port);
        if same {
            return Ok(());
        }
        Err(Problem::new(
            "server not granted",
            format!("the uri names the server {host}:{port}, which is not the one of this account"),
        ))
    }

    /// The server and the right to change this name there.
    fn permit_write(&self, place: &Place) -> Result<(&Server<'a>, &Authority), Problem> {
        let (Some(server), Some(authority)) = (&self.server, &self.authority) else {
            return Err(Problem::new(
                "not offered",
                "this account has no server with a zone and a key, so that nothing can be written",
            ));
        };
        if !authority.zone.zone_of(&place.name) {
            return Err(Problem::new(
                "name not granted",
                format!(
                    "{} is not in the zone {} of this account",
                    place.name, authority.zone
                ),
            ));
        }
        Ok((server, authority))
    }

    async fn read(&self, place: &Place) -> Result<Option<Found>, Fault> {
        match &self.server {
            None => query::ask(place, None, "the system's resolver").await,
            Some(server) => {
                let addresses = net::resolve(server.host, server.port, &self.grants).await?;
                let address: Option<SocketAddr> = addresses.first().copied();
                query::ask(place, address, server.called).await
            }
        }
    }

    /// Sends an update and waits for its answer (RFC 1035, section 4.2.2: two bytes of length before each message).
    async fn send(
        &self,
        server: &Server<'_>,
        mut signed: Signed,
        (left, leaving): (&Left, Leaving<'_>),
    ) -> Result<(), Fault> {
        let connected = net::connect(server.host, server.port, &self.grants).await?;
        let mut wire = Wire::new(
            Stream::Plain(connected.stream),
            Trigger::Anything,
            left.clone(),
        );
        let Ok(length) = u16::try_from(signed.bytes.len()) else {
            return Err(Fault::bad_arguments(
                "the update has more bytes than a DNS message may have".to_owned(),
            ));
        };
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend_from_slice(&signed.bytes);
        left.announce(leaving)?;
        let exchange = async {
            wire.write_all(&frame).await?;
            wire.flush().await?;
            let length = wire.read_u16().await?;
            let mut answer = vec![0; usize::from(length)];
            wire.read_exact(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = exchange.await.map_err(|error| {
            left.fault(Problem::new(
                "connection broke",
                format!("{} gave no answer: {error}", server.called),
            ))
        })?;
        signed.judge(&answer, server.called, left)
    }
}

/// Seconds since 1970, for signatures.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

fn result(records: Vec<String>, ttl: u32) -> Ipld {
    let records = records.into_iter().map(Ipld::String).collect();
    Ipld::Map(BTreeMap::from([
        ("records".to_owned(), Ipld::List(records)),
        ("ttl".to_owned(), Ipld::Integer(ttl.into())),
    ]))
}

/// The records of a write, as a read gives them.
fn texts(values: &Values) -> Vec<String> {
    let mut texts: Vec<_> = values.data.iter().filter_map(records::to_text).collect();
    texts.sort();
    texts
}

impl Provider for Dns {
    fn class(&self, command: &Command, account: &Account) -> Option<Class> {
        let settings = Settings::of(account).ok()?;
        match command.as_str() {
            "/crud/read" => {}
            "/crud/create" | "/crud/update" | "/crud/delete" => {
                settings.authority.as_ref()?;
            }
            _ => return None,
        }
        class_of(command)
    }

    fn perform(&self, request: &Request<'_>) -> Result<Ipld, Fault> {
        let patience = Patience::of(request);
        let settings = Settings::of(request.account).map_err(Fault::Refused)?;
        let (place, action) =
            args::decode(request.command, request.args).map_err(Fault::Refused)?;
        settings.permit_server(&place).map_err(Fault::Refused)?;
        let left = Left::default();
        if action == Action::Read {
            let found = self.engine.run(&patience, &left, settings.read(&place))?;
            return Ok(found.map_or_else(
                || result(Vec::new(), 0),
                |found| result(found.records, found.ttl),
            ));
        }
        let (server, authority) = settings.permit_write(&place).map_err(Fault::Refused)?;
        let signed = update::message(&place, &action, authority, now()).map_err(Fault::Refused)?;
        let sent = settings.send(server, signed, (&left, request.leaving));
        self.engine.run(&patience, &left, sent)?;
        Ok(match action {
            Action::Create(values) | Action::Replace(values) => result(texts(&values), values.ttl),
            Action::Read | Action::Delete => result(Vec::new(), 0),
        })
    }

    fn probe(&self, request: &Request<'_>) -> Result<Probe, Fault> {
        let patience = Patience::of(request);
        let settings = Settings::of(request.account).map_err(Fault::Refused)?;
        let (place, action) =
            args::decode(request.command, request.args).map_err(Fault::Refused)?;
        // What is no creation may be repeated.
        let Action::Create(values) = action else {
            return Ok(Probe::NotDone);
        };
        settings.permit_write(&place).map_err(Fault::Refused)?;
        let found = self
            .engine
            .run(&patience, &Left::default(), settings.read(&place));
        match found {
            Ok(Some(found)) if found.records == texts(&values) => {
                Ok(Probe::Done(result(found.records, values.ttl)))
            }
            Ok(Some(_)) => Ok(Probe::Unknown),
            Ok(None) => Ok(Probe::NotDone),
            Err(Fault::Failed(problem))
                if problem.details.get("code") == Some(&Ipld::from("NXDOMAIN")) =>
            {
                Ok(Probe::NotDone)
            }
            Err(fault) => Err(fault),
        }
    }

    fn test(&self, account: &Account) -> Result<String, Problem> {
        account
            .check()
            .map_err(|error| Problem::new("bad account", error.to_string()))?;
        let settings = Settings::of(account)?;
        let left = Left::default();
        self.engine.test(async {
            let tried =
                match (&settings.server, &settings.authority) {
                    (Some(server), Some(authority)) => {
                        let signed = match update::trial(authority, now()) {
                            Ok(signed) => signed,
                            Err(problem) => return Err(problem),
                        };
                        let zone = &authority.zone;
                        settings.send(server, signed, (&left, &|| true)).await.map(|()| {
                        format!(
                            "{} takes updates of {zone} from this account; nothing was changed",
                            server.called
                        )
                    })
                    }
                    _ => settings.greet().await,
                };
            tried.map_err(|fault| match fault.problem() {
                Some(problem) => problem.clone(),
                None => Problem::new("cancelled", "cancelled"),
            })
        })
    }
}

impl Settings<'_> {
    /// Asks for something that every server can answer.
    async fn greet(&self) -> Result<String, Fault> {
        let who = match &self.server {
            Some(server) => server.called,
            None => "the system's resolver",
        };
        let root = Place {
            name: hickory_proto::rr::Name::root(),
            kind: hickory_proto::rr::RecordType::NS,
            server: None,
        };
        match self.read(&root).await {
            Ok(_) => Ok(format!("{who} answers")),
            // An answer too: a server of some zones need not know the root.
            Err(Fault::Failed(problem)) => Ok(format!("{who} answers ({problem})")),
            Err(fault) => Err(fault),
        }
    }
}
