//! `/crud/read` on `ipfs:`: content by its CID. What is here is answered from here; what is not, from a gateway that
//! gives blocks as they are (a trustless gateway), each of which is checked against its CID.

use crate::account::{Account, HttpAccount, IpfsAccount};
use crate::engine::{Engine, Left, Patience};
use crate::fault::{Fault, Probe, Problem};
use crate::http::Http;
use crate::request::Request;
use crate::{Kind, Provider};
use hyper::StatusCode;
use ipvm_ipld::fields::{Fields, as_string};
use ipvm_ipld::unixfs::{self, ReadError};
use ipvm_ipld::{Block, Cid, Ipld, MAX_BLOCK_BYTES, parse_cid};
use ipvm_ucan::Command;
use ipvm_workflow::Class;
use percent_encoding::percent_decode_str;
use std::fmt::Display;
use std::sync::Arc;
use url::Url;

/// Longest `uri`, in bytes.
const MAX_URI_BYTES: usize = 8 << 10;
/// Most folders that a path leads through.
const MAX_PATH: usize = 64;
/// Most blocks that one file is read from, folders on the way included.
const MAX_BLOCKS: usize = 4096;
/// What is asked of a gateway.
const RAW: &str = "application/vnd.ipld.raw";
/// The empty block whose CID says all of it: gateways answer it without having anything (Trustless Gateway, "Probing").
const EMPTY: &str = "bafkqaaa";

/// Reads content.
pub(crate) struct Ipfs {
    engine: Arc<Engine>,
    http: Http,
}

impl Ipfs {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self {
            http: Http::new(Arc::clone(&engine)),
            engine,
        }
    }
}

/// What a `ipfs:` URI names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    root: Cid,
    path: Vec<String>,
}

fn parse_uri(text: &str) -> Result<Place, String> {
    let wrong = |what: &dyn Display| format!("the uri {text:?} {what}");
    if text.len() > MAX_URI_BYTES {
        return Err(format!(
            "the uri has {} bytes; at most {MAX_URI_BYTES} are accepted",
            text.len()
        ));
    }
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ipfs") => rest,
        _ => return Err(wrong(&"is not of the form ipfs://CID/path")),
    };
    if rest.contains(['?', '#']) {
        return Err(wrong(&"has a query or a fragment, which content has not"));
    }
    let mut parts = rest.split('/');
    let root = parse_cid(parts.next().unwrap_or_default()).map_err(|error| wrong(&error))?;
    let mut path = Vec::new();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        // One slash at the end says that it is a folder, which says nothing here.
        if part.is_empty() && parts.peek().is_none() {
            break;
        }
        let name = percent_decode_str(part)
            .decode_utf8()
            .map_err(|_| wrong(&"has a name that is not UTF-8"))?;
        unixfs::check_name(&name).map_err(|error| wrong(&format!("has a wrong name: {error}")))?;
        path.push(name.into_owned());
    }
    if path.len() > MAX_PATH {
        return Err(format!("the uri has more than {MAX_PATH} names"));
    }
    Ok(Place { root, path })
}

impl Provider for Ipfs {
    fn class(&self, command: &Command, account: &Account) -> Option<Class> {
        let offered = command.as_str() == "/crud/read" && account.kind() == Kind::Ipfs;
        offered.then_some(Class::Query)
    }

    fn perform(&self, request: &Request<'_>) -> Result<Ipld, Fault> {
        if request.command.as_str() != "/crud/read" {
            return Err(Fault::Refused(Problem::not_offered(request.command)));
        }
        let bad = |error: &dyn Display| Fault::bad_arguments(error.to_string());
        let account = account_of(request.account).map_err(Fault::Refused)?;
        let mut fields =
            Fields::new(Ipld::Map(request.args.clone()), "the arguments").map_err(|e| bad(&e))?;
        let uri = fields.get("uri", as_string).map_err(|e| bad(&e))?;
        fields.finish().map_err(|e| bad(&e))?;
        let place = parse_uri(&uri).map_err(|e| bad(&e))?;
        let source = Source {
            ipfs: self,
            request,
            patience: Patience::of(request),
            gateway: gateway(account).map_err(Fault::Refused)?,
        };
        source.read(&place).map(Ipld::Bytes)
    }

    fn probe(&self, _: &Request<'_>) -> Result<Probe, Fault> {
        Ok(Probe::NotDone)
    }

    fn test(&self, account: &Account) -> Result<String, Problem> {
        account
            .check()
            .map_err(|error| Problem::new("bad account", error.to_string()))?;
        let Some(gateway) = gateway(account_of(account)?)? else {
            return Ok("no gateway is set: only what is here is answered".to_owned());
        };
        let url = gateway.block(EMPTY)?;
        self.engine.test(async {
            match self.http.get(&gateway.http, &url, RAW, 0).await {
                Ok((StatusCode::OK, ..)) => Ok(format!("{} gives blocks", gateway.base)),
                Ok((status, ..)) => Err(Problem::new(
                    "http status",
                    format!(
                        "{} gives no blocks: {url} was answered {status}",
                        gateway.base
                    ),
                )),
                Err(fault) => Err(match fault.problem() {
                    Some(problem) => problem.clone(),
                    None => Problem::new("cancelled", "cancelled"),
                }),
            }
        })
    }
}

fn account_of(account: &Account) -> Result<&IpfsAccount, Problem> {
    match account {
        Account::Ipfs(account) => Ok(account),
        other => Err(Problem::wrong_account(Kind::Ipfs, other.kind())),
    }
}

/// A gateway, as a server that is asked.
struct Gateway {
    base: Url,
    http: HttpAccount,
}

impl Gateway {
    /// The URL of a block.
    fn block(&self, cid: &str) -> Result<Url, Problem> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty().extend(["ipfs", cid]);
            }
            Err(()) => {
                return Err(Problem::new(
                    "bad account",
                    "the gateway is no URL of a server",
                ));
            }
        }
        url.set_query(Some("format=raw"));
        Ok(url)
    }
}

fn gateway(account: &IpfsAccount) -> Result<Option<Gateway>, Problem> {
    let Some(text) = &account.gateway else {
        return Ok(None);
    };
    let base = Url::parse(text)
        .map_err(|error| Problem::new("bad account", format!("the gateway {text:?}: {error}")))?;
    Ok(Some(Gateway {
        base,
        http: HttpAccount {
            allow_private: account.allow_private.clone(),
            roots: account.roots.clone(),
            ..HttpAccount::default()
        },
    }))
}

/// Where the blocks of one request come from.
struct Source<'a> {
    ipfs: &'a Ipfs,
    request: &'a Request<'a>,
    patience: Patience<'a>,
    gateway: Option<Gateway>,
}

impl Source<'_> {
    fn read(&self, place: &Place) -> Result<Vec<u8>, Fault> {
        let mut blocks = 0;
        let mut get = |cid: &Cid| {
            blocks += 1;
            if blocks > MAX_BLOCKS {
                return Err(Fault::Failed(Problem::new(
                    "too large",
                    format!("{} has more than {MAX_BLOCKS} blocks", place.root),
                )));
            }
            self.block(cid)
        };
        let mut at = place.root;
        for name in &place.path {
            let found = unixfs::find(&at, name, &mut get).map_err(unreadable)?;
            let Some(entry) = found else {
                return Err(Fault::Failed(Problem::new(
                    "not found",
                    format!("there is no {name:?} in {at}"),
                )));
            };
            at = entry.cid;
        }
        let limit = self.request.limits.output;
        let mut bytes = Vec::new();
        let mut sink = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            if bytes.len() as u64 > limit {
                return Err(Fault::Failed(Problem::too_large(at, limit)));
            }
            Ok(())
        };
        unixfs::export(&at, &mut get, &mut sink).map_err(unreadable)?;
        Ok(bytes)
    }

    /// One block, from here or from the gateway.
    fn block(&self, cid: &Cid) -> Result<Vec<u8>, Fault> {
        if self.patience.is_cancelled() {
            return Err(Fault::Cancelled);
        }
        match (self.request.content.block(cid), &self.gateway) {
            (Ok(bytes), _) => Ok(bytes),
            (Err(_), Some(gateway)) => self.fetch(cid, gateway),
            (Err(error), None) => Err(Fault::Failed(Problem::new(
                "not found",
                format!("{error}; and the account names no gateway"),
            ))),
        }
    }

    fn fetch(&self, cid: &Cid, gateway: &Gateway) -> Result<Vec<u8>, Fault> {
        let url = gateway.block(&cid.to_string()).map_err(Fault::Refused)?;
        let asked = self
            .ipfs
            .http
            .get(&gateway.http, &url, RAW, MAX_BLOCK_BYTES as u64);
        // Reading content changes nothing, so that nothing of it can be half done.
        let (status, after, bytes) =
            self.ipfs
                .engine
                .run(&self.patience, &Left::default(), async {
                    asked.await.map_err(|fault| match fault {
                        Fault::Unknown(problem) => Fault::NotDone(problem, None),
                        other => other,
                    })
                })?;
        let problem = |reason| {
            Problem::new(reason, format!("{url} was answered {status}"))
                .with("status", i128::from(status.as_u16()))
        };
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(Fault::Failed(problem("not found")));
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(Fault::NotDone(problem("http status"), after));
            }
            _ => return Err(Fault::Failed(problem("http status"))),
        }
        let block = Block::verify(*cid, bytes).map_err(|error| {
            Fault::not_done("wrong block", format!("{}: {error}", gateway.base))
        })?;
        Ok(block.into_parts().1)
    }
}

fn unreadable(error: ReadError<Fault>) -> Fault {
    match error {
        ReadError::Get { error, .. } | ReadError::Sink(error) => error,
        other => Fault::Failed(Problem::new("not a file", other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvm_ipld::{cid_of, codec};
    use proptest::prelude::*;

    /// A path that is read otherwise names another file.
    #[test]
    fn uris_are_read_exactly() {
        let cid = cid_of(codec::RAW, b"x");
        let path = |rest: &str| {
            parse_uri(&format!("ipfs://{cid}{rest}")).map(|place| {
                assert_eq!(place.root, cid);
                place.path
            })
        };
        assert_eq!(path(""), Ok(vec![]));
        assert_eq!(path("/"), Ok(vec![]));
        assert_eq!(path("/a/b%20c"), Ok(vec!["a".into(), "b c".into()]));
        assert_eq!(path("/%C3%BC/"), Ok(vec!["ü".into()]));
        for rest in [
            "?x", "#x", "/a?x", "//a", "/a//b", "/..", "/%2e%2e", "/a%2fb", "/%ff", "x",
        ] {
            assert!(path(rest).is_err(), "{rest}");
        }
        for uri in [
            "ipfs:",
            "ipfs:bafy",
            "ipfs://",
            "ipns://x",
            "ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
        ] {
            assert!(parse_uri(uri).is_err(), "{uri}");
        }
    }

    proptest! {
        /// Whatever the path is, it is read or refused, and leads downwards.
        #[test]
        fn any_path_is_read_or_refused(path in "[-./%a-f0-9é ]{0,30}") {
            let uri = format!("ipfs://{}/{path}", cid_of(codec::RAW, b"x"));
            if let Ok(place) = parse_uri(&uri) {
                for name in place.path {
                    prop_assert!(!name.contains('/') && name != ".." && name != "." && !name.is_empty());
                }
            }
        }
    }
}
