//! What content of this home somebody else may use: what is public, what was delegated, and what they brought along.
//!
//! Content is private until it is made public (`ipvm add --public`) or delegated (`/content/read`). A delegation of this
//! home whose policy says that an argument *is* a link gives the use of that content too. A right to content is one to
//! all that it links to. What came along counts only as far as every block of it came along: naming a block that is
//! here already is no way to read it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use ipvm_ipld::{Cid, Ipld, car, codec, links};
use ipvm_store::PinKind;
use ipvm_ucan::policy::{Comparison, Statement};
use ipvm_ucan::promise::Await;
use ipvm_ucan::{Context, Delegation, Did, Kind, MemoryStore, Receipt, Wanted, find_chain};

use super::gate::{Admitted, refuse};
use super::known::Known;
use crate::memo::Args;
use crate::{Node, NodeError};

/// The command of reading content.
pub(crate) const CONTENT_READ: &str = "/content/read";
/// Most blocks that come with a request.
const MAX_BLOCKS: usize = 1 << 20;
/// Most contents of this home whose right is looked for in the delegations that came along.
const MAX_LOOKED: usize = 4096;
/// Most bytes of DAG-CBOR values among them, which may be workflows.
const MAX_VALUES: usize = 64 << 20;

/// Blocks that came with a request, not stored yet: what each links to.
#[derive(Clone, Debug, Default)]
pub struct Brought {
    blocks: HashMap<Cid, Vec<Cid>>,
    values: HashMap<Cid, Vec<u8>>,
}

impl Brought {
    /// Reads a CAR file and checks every block against its CID.
    ///
    /// # Errors
    /// It cannot be read, or is damaged or too large.
    pub fn read(path: &Path) -> Result<Self, NodeError> {
        let file = File::open(path).map_err(|source| NodeError::io("read", path, source))?;
        let mut reader = BufReader::new(file);
        let source = |buffer: &mut [u8]| -> io::Result<usize> {
            loop {
                match reader.read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => return read,
                }
            }
        };
        let broken = |source| NodeError::Car { kept: 0, source };
        let mut car = car::Reader::open(source).map_err(|error| broken(Box::new(error)))?;
        let (mut brought, mut bytes) = (Self::default(), 0);
        while let Some(block) = car.next_block().map_err(|error| broken(Box::new(error)))? {
            let (cid, data) = block.into_parts();
            let found =
                links(&cid, &data).map_err(|error| NodeError::Content(error.to_string()))?;
            if cid.codec() == codec::DAG_CBOR {
                bytes += data.len();
                if bytes <= MAX_VALUES {
                    brought.values.insert(cid, data);
                }
            }
            brought.blocks.insert(cid, found);
            if brought.blocks.len() > MAX_BLOCKS {
                return Err(NodeError::Content(format!(
                    "more than {MAX_BLOCKS} blocks came with the request"
                )));
            }
        }
        Ok(brought)
    }

    /// A DAG-CBOR block that came along.
    pub(crate) fn value(&self, cid: &Cid) -> Option<&[u8]> {
        self.values.get(cid).map(Vec::as_slice)
    }
}

/// What somebody may use.
#[derive(Debug)]
pub(crate) struct Readable {
    /// None: this home's own, who may use all.
    asker: Option<Did>,
    brought: Brought,
    /// Delegated, with all below it.
    granted: HashSet<Cid>,
}

impl Readable {
    /// All that is here: for the owner's own runs.
    pub(crate) fn all() -> Self {
        Self {
            asker: None,
            brought: Brought::default(),
            granted: HashSet::new(),
        }
    }

    /// What the asker of a request may use of the content that `args` name.
    pub(crate) fn of(
        node: &Node,
        known: &Known,
        admitted: &Admitted,
        brought: Brought,
        args: &[&Args],
        context: &Context<'_>,
    ) -> Result<Self, NodeError> {
        let invoker = &admitted.invocation.payload().iss;
        let machines = node.machines(known);
        let mut granted = HashSet::new();
        if machines.contains(invoker) {
            return Ok(Self {
                brought,
                ..Self::all()
            });
        }
        let named: HashSet<Cid> = args
            .iter()
            .flat_map(|args| links_in(&args_value(args)))
            .collect();
        let mut looked = 0;
        for link in named {
            // Each search may look at thousands of delegations: only for what is here, and not the asker's anyway.
            if brought.blocks.contains_key(&link)
                || is_public(node, &link)?
                || !node.store().has(&link)?
            {
                continue;
            }
            looked += 1;
            if looked > MAX_LOOKED {
                let message = format!(
                    "the request names more than {MAX_LOOKED} private contents of this home: bring them along, or have \
                     them made public"
                );
                return Err(refuse(Kind::TooLarge, "args", message).into());
            }
            if may_read(&admitted.pool, &machines, invoker, &link, context) {
                granted.insert(link);
            }
        }
        for proof in &admitted.invocation.payload().prf {
            let root = admitted.pool.get(proof);
            let own = root.filter(|root| machines.contains(&root.payload().iss));
            granted.extend(own.iter().flat_map(named_in_policy));
        }
        Ok(Self {
            asker: Some(invoker.clone()),
            brought,
            granted,
        })
    }

    /// Requires that all content that is named, directly or through what came along, may be used; `made` may be, besides.
    pub(crate) fn check(
        &self,
        node: &Node,
        named: Vec<Cid>,
        made: &[Cid],
    ) -> Result<(), NodeError> {
        let Some(asker) = &self.asker else {
            return Ok(());
        };
        let mut met = HashSet::new();
        let mut pending = named;
        while let Some(link) = pending.pop() {
            if !met.insert(link) || made.contains(&link) || self.is_open(node, &link)? {
                continue;
            }
            if let Some(below) = self.brought.blocks.get(&link) {
                pending.extend(below);
            } else if node.store().has(&link)? {
                let message = format!(
                    "{asker} may not use the content {link} of this home: make it public with `ipvm store pin --public`, \
                     or delegate {CONTENT_READ} for it"
                );
                return Err(refuse(Kind::InvalidClaim, "args", message).into());
            }
        }
        Ok(())
    }

    /// Whether content is open to the asker with all that is below it.
    pub(crate) fn is_open(&self, node: &Node, link: &Cid) -> Result<bool, NodeError> {
        if self.asker.is_none() || self.granted.contains(link) {
            return Ok(true);
        }
        is_public(node, link)
    }

    /// Whether a block came along.
    pub(crate) fn is_brought(&self, cid: &Cid) -> bool {
        self.brought.blocks.contains_key(cid)
    }

    /// A DAG-CBOR block that came along or may be used.
    pub(crate) fn value(&self, node: &Node, cid: &Cid) -> Result<Vec<u8>, NodeError> {
        match self.brought.value(cid) {
            Some(bytes) => Ok(bytes.to_vec()),
            // For others there is nothing sealed.
            None => node.open_block(cid)?.ok_or(NodeError::NoBlock(*cid)),
        }
    }
}

/// Whether content was made public.
fn is_public(node: &Node, link: &Cid) -> Result<bool, NodeError> {
    let pin = node.store().pin_of(link)?;
    Ok(pin.is_some_and(|pin| pin.kind == PinKind::Public))
}

/// Whether the delegations that came along give the right to read content.
pub(crate) fn may_read(
    pool: &MemoryStore,
    machines: &[Did],
    invoker: &Did,
    link: &Cid,
    context: &Context<'_>,
) -> bool {
    let Ok(cmd) = CONTENT_READ.parse() else {
        return false;
    };
    let args = BTreeMap::from([("cid".to_owned(), Ipld::Link(*link))]);
    machines.iter().any(|subject| {
        let wanted = Wanted {
            invoker,
            subject,
            cmd: &cmd,
            args: &args,
        };
        find_chain(pool, &wanted, context).is_ok()
    })
}

/// Links that a delegation's policy says an argument must be.
fn named_in_policy(delegation: &Delegation) -> Vec<Cid> {
    let statements = delegation.payload().pol.statements().iter();
    statements
        .filter_map(|statement| match statement {
            Statement::Compare(Comparison::Equal, _, Ipld::Link(link)) => Some(*link),
            _ => None,
        })
        .collect()
}

/// Arguments as a value.
pub(crate) fn args_value(args: &Args) -> Ipld {
    Ipld::Map(args.clone())
}

/// The links in a value: in one that came out of a receipt, a map that looks like a promise is data, and its link one too.
pub(crate) use crate::trace::links as links_in;

/// The links in arguments as they are signed, but for those in promises.
pub(crate) fn links_beside_promises(args: &Args) -> Vec<Cid> {
    let mut found = Vec::new();
    let mut rest: Vec<&Ipld> = args.values().collect();
    while let Some(value) = rest.pop() {
        match value {
            Ipld::Link(cid) => found.push(*cid),
            Ipld::List(items) => rest.extend(items),
            Ipld::Map(map) if !matches!(Await::from_map(map), Ok(Some(_))) => {
                rest.extend(map.values());
            }
            _ => {}
        }
    }
    found
}

impl Node {
    /// The content that executing a task made: what its result links to, where the function cannot make up links. What
    /// another executor says that it made may be anything.
    pub(crate) fn made_content(&self, receipt: &Receipt) -> Result<Vec<Cid>, NodeError> {
        let value = receipt.payload().out.value();
        let found = links_in(value);
        if found.is_empty() || !self.is_own_agent(receipt.executor())? {
            return Ok(Vec::new());
        }
        let invocation = self.invocation_of(receipt)?;
        let args = invocation.payload().args.clone();
        let Ok(call) = ipvm_workflow::WasmCall::from_args(args) else {
            return Ok(Vec::new());
        };
        let interface = self.interface_by_cid(&call.module)?;
        let function = interface.find(&call.function);
        let makes_links = function.map_or(true, |function| {
            let result = function.result.as_ref();
            result.is_some_and(ipvm_wasm::Type::has_cid)
        });
        Ok(if makes_links { Vec::new() } else { found })
    }
}
