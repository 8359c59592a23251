//! `cargo xtask-release receipts`: a home with as many receipts as wanted, for measuring how speed holds up.
//!
//! The receipts are true: number *n* is the receipt of `add(n, 1)` of a small module, whose result is *n* + 1, signed
//! by the home's agent and stored with the signed invocation that asked for it. So every receipt can be looked up by
//! its number, and a run that calls the function finds it. One real task is carried out first; all others are made in
//! its likeness, so they have its size, its facts and its form, whatever those are in this version.
//!
//! They are stored in order. A call that was interrupted is repeated and goes on: how far it came is in the store.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ipvm_ipld::{Block, Cid, Ipld, codec};
use ipvm_node::{Access, CallRequest, Cancel, Node, RunOptions};
use ipvm_store::{BATCH_ITEMS_MAX, Batch, NewReceipt, ReceiptId, ReceiptKeys, StoreError};
use ipvm_ucan::{Invocation, InvocationPayload, Keypair, Outcome, Receipt, ReceiptPayload};
use ipvm_workflow::{Computation, Task, WasmCall};

/// Tasks committed together: half of what a batch may hold, since each has an invocation and a receipt.
const GROUP: u64 = BATCH_ITEMS_MAX as u64 / 2;
/// Most receipts; beyond it `n` is no argument of the function.
pub(crate) const MAX_RECEIPTS: u64 = u32::MAX as u64;
/// The second argument of the calls whose receipts a large home has.
const ADDED: u32 = 1;
/// The numbers of the task that the others are made after, which is none of them.
const SAMPLE: [u32; 2] = [u32::MAX, 0];
/// Time between two lines of progress.
const REPORT: Duration = Duration::from_secs(10);

/// What to make.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The home; made if it is not there
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// How many receipts it is to have
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000_000)]
    count: u64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(
        options.count <= MAX_RECEIPTS,
        "at most {MAX_RECEIPTS} receipts"
    );
    let node = Node::open(&options.home, Access::Write)?;
    let mint = Mint::new(&node)?;
    let first = mint.present(options.count)?;
    println!(
        "{}: {first} of {} receipts are there",
        options.home.display(),
        options.count
    );
    let (began, mut told) = (Instant::now(), Instant::now());
    let mut bytes = 0;
    mint.fill(first..options.count, &mut |done| {
        bytes += done.bytes;
        let last = done.through == options.count;
        if told.elapsed() > REPORT || last {
            told = Instant::now();
            let made = done.through - first;
            let rate = made as f64 / began.elapsed().as_secs_f64();
            println!(
                "{} receipts, {rate:.0}/s, {} MB of receipts and invocations, {} bytes each",
                done.through,
                bytes / 1_000_000,
                bytes / made.max(1)
            );
        }
    })?;
    drop(node);
    println!("{} MB on disk", size_of(&options.home)? / 1_000_000);
    Ok(())
}

/// How far a filling is.
pub(crate) struct Done {
    /// The number after the last that is durable.
    pub(crate) through: u64,
    /// Bytes of receipts and invocations of this group.
    bytes: u64,
}

/// A task's signed tokens.
pub(crate) struct Minted {
    pub(crate) receipt: NewReceipt,
    pub(crate) invocation: Block,
}

/// Makes receipts by number.
pub(crate) struct Mint<'a> {
    node: &'a Node,
    agent: Keypair,
    /// The second argument of every call.
    added: u32,
    /// What each is made after.
    call: WasmCall,
    invocation: InvocationPayload,
    receipt: ReceiptPayload,
}

impl<'a> Mint<'a> {
    /// Carries out the task that the others are made after, which is the first of a home. A home that has it already
    /// keeps it, so that the others are the same whatever module is built in by then.
    pub(crate) fn new(node: &'a Node) -> Result<Self> {
        let agent = agent_key(node.home())?;
        ensure!(agent.did() == node.agent(), "the agent's key is another");
        let receipt = match first_receipt(node)? {
            Some(receipt) => receipt,
            None => carry_out_sample(node)?,
        };
        let invocation = node.invocation_of(&receipt)?;
        Ok(Self {
            node,
            agent,
            added: ADDED,
            call: WasmCall::from_args(invocation.payload().args.clone())?,
            invocation: invocation.payload().clone(),
            receipt: receipt.payload().clone(),
        })
    }

    /// The same, for calls with another second argument: other tasks than those in a large home.
    pub(crate) fn adding(self, added: u32) -> Self {
        Self { added, ..self }
    }

    fn args(&self, number: u64) -> std::collections::BTreeMap<String, Ipld> {
        let mut call = self.call.clone();
        call.args = vec![
            Ipld::Integer(number.into()),
            Ipld::Integer(self.added.into()),
        ];
        call.into_args()
    }

    /// The task with this number.
    pub(crate) fn task(&self, number: u64) -> Result<Cid> {
        let asked = &self.invocation;
        let task = Task {
            sub: asked.sub.clone(),
            cmd: asked.cmd.clone(),
            args: self.args(number),
            nonce: asked.nonce.clone(),
        };
        Ok(task.cid()?)
    }

    /// The signed tokens of the task with this number.
    pub(crate) fn make(&self, number: u64) -> Result<Minted> {
        let args = self.args(number);
        let invocation = Invocation::sign(
            &self.agent,
            InvocationPayload {
                args: args.clone(),
                ..self.invocation.clone()
            },
        )?;
        let computation = Computation {
            cmd: self.invocation.cmd.clone(),
            args,
        };
        let mut payload = self.receipt.clone();
        payload.ran = self.task(number)?;
        payload.out = Outcome::Ok(Ipld::Integer(i128::from(number) + i128::from(self.added)));
        payload.meta.inv = invocation.cid();
        payload.meta.computation = Some(computation.cid()?);
        let keys = ReceiptKeys {
            task: payload.ran,
            computation: payload.meta.computation,
        };
        let receipt = Receipt::sign(&self.agent, payload)?;
        Ok(Minted {
            receipt: NewReceipt {
                block: Block::new(codec::DAG_CBOR, receipt.bytes().to_vec()),
                keys,
            },
            invocation: Block::new(codec::DAG_CBOR, invocation.bytes().to_vec()),
        })
    }

    /// Those of many, in order, signed on every core.
    pub(crate) fn make_all(&self, numbers: Range<u64>) -> Result<Vec<Minted>> {
        let cores = thread::available_parallelism().map_or(1, usize::from) as u64;
        let share = (numbers.end - numbers.start).div_ceil(cores).max(1);
        let parts: Vec<Result<Vec<Minted>>> = thread::scope(|scope| {
            let workers: Vec<_> = (0..cores)
                .map(|core| {
                    let first = (numbers.start + core * share).min(numbers.end);
                    let part = first..(first + share).min(numbers.end);
                    scope.spawn(move || part.map(|number| self.make(number)).collect())
                })
                .collect();
            workers
                .into_iter()
                .map(|worker| match worker.join() {
                    Ok(part) => part,
                    Err(_) => bail!("a thread that signs has panicked"),
                })
                .collect()
        });
        let mut all = Vec::new();
        for part in parts {
            all.extend(part?);
        }
        Ok(all)
    }

    /// How many of the first `most` are in the store. They are stored in order, so a few look-ups tell.
    pub(crate) fn present(&self, most: u64) -> Result<u64> {
        let (mut there, mut beyond) = (0, most);
        while there < beyond {
            let middle = there + (beyond - there) / 2;
            if self.node.look_up_task(&self.task(middle)?)?.is_some() {
                there = middle + 1;
            } else {
                beyond = middle;
            }
        }
        Ok(there)
    }

    /// Stores the receipts with these numbers. While one group is committed, the next is signed. `progress` is told
    /// of each group that is durable.
    pub(crate) fn fill(&self, numbers: Range<u64>, progress: &mut dyn FnMut(Done)) -> Result<()> {
        let mut committing: Option<(mpsc::Receiver<Result<(), StoreError>>, Done)> = None;
        let mut wait = |commit: Option<(mpsc::Receiver<Result<(), StoreError>>, Done)>| {
            let Some((durable, done)) = commit else {
                return Ok(());
            };
            durable.recv().context("the store has ended")??;
            progress(done);
            anyhow::Ok(())
        };
        for first in numbers.clone().step_by(GROUP as usize) {
            let through = (first + GROUP).min(numbers.end);
            let mut batch = Batch::new();
            for minted in self.make_all(first..through)? {
                batch.block(minted.invocation);
                batch.receipt(minted.receipt);
            }
            let bytes = batch.bytes() as u64;
            wait(committing.take())?;
            let (told, durable) = mpsc::channel();
            let on_durable = move |result| drop(told.send(result));
            self.node.store().submit(batch, Box::new(on_durable));
            committing = Some((durable, Done { through, bytes }));
        }
        wait(committing)
    }
}

/// The first receipt of a home, if it is the one that the others are made after.
fn first_receipt(node: &Node) -> Result<Option<Receipt>> {
    let Some(stored) = node.store().receipt_at(ReceiptId(1))? else {
        return Ok(None);
    };
    let receipt = Receipt::decode(&stored.block)?;
    let call = WasmCall::from_args(node.invocation_of(&receipt)?.payload().args.clone());
    let sample = SAMPLE.map(|number| Ipld::Integer(number.into()));
    Ok(call
        .is_ok_and(|call| call.args == sample)
        .then_some(receipt))
}

fn carry_out_sample(node: &Node) -> Result<Receipt> {
    let module = ipvm_testkit::component(ipvm_testkit::CALC);
    let added = node.add_reader(module.as_slice(), Path::new("calc.wasm"), &mut |_| ())?;
    let prepared = node.prepare_call(&CallRequest {
        module: added.cid.to_string(),
        function: "add".to_owned(),
        args: SAMPLE.iter().map(u32::to_string).collect(),
    })?;
    let options = RunOptions::default();
    let report = node.run(&prepared, &options, &Cancel::new(), &mut |_| ())?;
    let step = report.steps.first().context("a step")?;
    let receipt = node.receipt(&step.receipt.context("a receipt")?)?;
    receipt.context("the receipt")
}

/// The agent's key, read as the node reads it.
pub(crate) fn agent_key(home: &Path) -> Result<Keypair> {
    let text = std::fs::read_to_string(home.join("keys/agent.key"))?;
    let digits = text.lines().nth(1).context("a second line")?;
    let mut seed = [0; 32];
    for (at, byte) in seed.iter_mut().enumerate() {
        let pair = digits.get(at * 2..at * 2 + 2).context("64 digits")?;
        *byte = u8::from_str_radix(pair, 16)?;
    }
    Ok(Keypair::from_seed(&seed))
}

/// Bytes of all files below a folder.
fn size_of(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        bytes += if meta.is_dir() {
            size_of(&entry.path())?
        } else {
            meta.len()
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    //! Without these the large home could hold receipts that nobody would accept, or that cannot be found.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn made_receipts_are_found_verified_and_reused() {
        let folder = tempfile::tempdir().unwrap();
        let node = Node::open(folder.path(), Access::Write).unwrap();
        let mint = Mint::new(&node).unwrap();
        assert_eq!(mint.present(100).unwrap(), 0);
        let mut through = Vec::new();
        mint.fill(0..5, &mut |done| through.push(done.through))
            .unwrap();
        assert_eq!(through, [5]);
        assert_eq!(mint.present(100).unwrap(), 5, "it goes on from there");
        mint.fill(5..7, &mut |_| ()).unwrap();
        assert_eq!(mint.present(100).unwrap(), 7);
        let again = Mint::new(&node).unwrap();
        assert_eq!(again.receipt, mint.receipt, "made after the same one");

        let found = node.look_up_task(&mint.task(6).unwrap()).unwrap().unwrap();
        let verified = node.verify_receipt(&found.cid(), &Cancel::new()).unwrap();
        assert!(verified.is_same(), "{verified:?}");

        let call = CallRequest {
            module: mint.call.module.to_string(),
            function: "add".to_owned(),
            args: vec!["6".to_owned(), ADDED.to_string()],
        };
        let prepared = node.prepare_call(&call).unwrap();
        let options = RunOptions::default();
        let report = node.run(&prepared, &options, &Cancel::new(), &mut |_| ());
        let report = report.unwrap();
        assert_eq!((report.executed, report.reused), (0, 1));
    }
}
