//! Questions to DNS. They change nothing, so that one without an answer is one that was not done.

use crate::dns::args::Place;
use crate::dns::{records, update};
use crate::fault::{Fault, Problem};
use hickory_proto::op::ResponseCode;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use std::net::SocketAddr;
use std::time::Duration;

/// Longest wait for one answer; a second question follows.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// How often a question is asked.
const ATTEMPTS: usize = 2;

/// What there is of a record set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// As text, in an order of their own.
    pub(crate) records: Vec<String>,
    /// Seconds; of the first record.
    pub(crate) ttl: u32,
}

/// Asks this server, or the system's.
pub(crate) async fn ask(
    place: &Place,
    server: Option<SocketAddr>,
    called: &str,
) -> Result<Option<Found>, Fault> {
    let resolver = resolver(server).map_err(|error| {
        Fault::not_done(
            "no resolver",
            format!(
                "the system's DNS settings cannot be used: {error}; name a server in the account"
            ),
        )
    })?;
    let answer = match resolver.lookup(place.name.clone(), place.kind).await {
        Ok(answer) => answer,
        Err(error) => return none(&error, called),
    };
    let mut found = Found {
        records: Vec::new(),
        ttl: 0,
    };
    for record in answer.answers() {
        if record.record_type() == place.kind
            && let Some(text) = records::to_text(&record.data)
        {
            if found.records.is_empty() {
                found.ttl = record.ttl;
            }
            found.records.push(text);
        }
    }
    found.records.sort();
    Ok((!found.records.is_empty()).then_some(found))
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = match server {
        None => TokioResolver::builder_tokio()?,
        Some(server) => {
            let connection = |mut connection: ConnectionConfig| {
                connection.port = server.port();
                connection
            };
            let connections = vec![
                connection(ConnectionConfig::udp()),
                connection(ConnectionConfig::tcp()),
            ];
            let server = NameServerConfig::new(server.ip(), true, connections);
            TokioResolver::builder_with_config(
                ResolverConfig::from_parts(None, Vec::new(), vec![server]),
                TokioRuntimeProvider::default(),
            )
        }
    };
    set(builder.options_mut());
    builder.build()
}

fn set(options: &mut ResolverOpts) {
    options.timeout = ANSWER_TIME;
    options.attempts = ATTEMPTS;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
}

/// What it means that no records came.
fn none(error: &NetError, called: &str) -> Result<Option<Found>, Fault> {
    let code = match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => Some(none.response_code),
        NetError::Dns(DnsError::ResponseCode(code)) => Some(*code),
        _ => None,
    };
    match code {
        Some(ResponseCode::NoError) => Ok(None),
        Some(code @ ResponseCode::ServFail) => {
            Err(Fault::NotDone(update::status(code, called, ""), None))
        }
        Some(code) => Err(Fault::Failed(update::status(code, called, ""))),
        None => Err(Fault::NotDone(
            Problem::new("no answer", format!("{called} gave no answer: {error}")),
            None,
        )),
    }
}
