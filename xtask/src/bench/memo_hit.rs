//! Target 1: a memo hit in process, from the key to the checked result, at 100,000 receipts.

use anyhow::{Context, Result, ensure};
use ipvm_ipld::{Block, Cid, Ipld, cid_of, codec};
use ipvm_node::{Access, Node};
use ipvm_store::{Batch, NewReceipt, ReceiptKeys};
use ipvm_ucan::{Keypair, Outcome, Receipt, ReceiptMeta, ReceiptPayload};
use rusqlite::{Connection, params};

use super::measure::{Figure, Plan};

/// How many receipts there are.
const RECEIPTS: u64 = 100_000;
/// Receipts committed together while filling.
const GROUP: u64 = 1_000;

fn task(number: u64) -> Cid {
    cid_of(
        codec::DAG_CBOR,
        &[b"task".as_slice(), &number.to_le_bytes()].concat(),
    )
}

pub(crate) fn run() -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let home = folder.path().join("home");
    let node = Node::open(&home, Access::Write)?;
    let key = Keypair::from_seed(&agent_seed(&home)?);
    ensure!(key.did() == node.agent(), "the agent's key is another");
    let floor = floor_database(&folder.path().join("floor.db"))?;
    fill(&node, &key, &floor)?;
    let mut state = 1u64;
    let mut pick = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % RECEIPTS
    };
    let keys: Vec<Cid> = (0..200_000).map(|_| task(pick())).collect();
    let plan = Plan {
        name: "1 memo hit, 100,000 receipts",
        floor: "sha2-256 of the key + two SQLite point reads",
        target: "≤ 20 µs p50, ≤ 50 µs p99",
        conditions: "warm, random tasks, hash and binding checked on read",
        rounds: 50_000,
    };
    let figure = Figure::measure(
        &plan,
        |round| floor_read(&floor, keys.get(round).context("a key")?),
        |round| {
            let found = node.look_up_task(keys.get(round).context("a key")?)?;
            found.context("a receipt for every task")
        },
    )?;
    Ok(vec![figure])
}

/// The agent signs; its key is read as the node reads it.
fn agent_seed(home: &std::path::Path) -> Result<[u8; 32]> {
    let text = std::fs::read_to_string(home.join("keys/agent.key"))?;
    let digits = text.lines().nth(1).context("a second line")?;
    let mut seed = [0; 32];
    for (at, byte) in seed.iter_mut().enumerate() {
        let pair = digits.get(at * 2..at * 2 + 2).context("64 digits")?;
        *byte = u8::from_str_radix(pair, 16)?;
    }
    Ok(seed)
}

fn fill(node: &Node, key: &Keypair, floor: &Connection) -> Result<()> {
    for group in 0..RECEIPTS / GROUP {
        let mut batch = Batch::new();
        floor.execute_batch("BEGIN")?;
        for number in group * GROUP..(group + 1) * GROUP {
            let receipt = receipt(key, number)?;
            floor_write(floor, number, receipt.bytes())?;
            let computation = receipt.payload().meta.computation;
            let block = Block::new(codec::DAG_CBOR, receipt.bytes().to_vec());
            let keys = ReceiptKeys {
                task: task(number),
                computation,
            };
            batch.receipt(NewReceipt { block, keys });
        }
        floor.execute_batch("COMMIT")?;
        node.store().commit(batch)?;
    }
    Ok(())
}

fn receipt(key: &Keypair, number: u64) -> Result<Receipt> {
    let payload = ReceiptPayload {
        ran: task(number),
        out: Outcome::Ok(Ipld::Integer(number.into())),
        run: None,
        meta: ReceiptMeta {
            inv: cid_of(codec::DAG_CBOR, &number.to_be_bytes()),
            computation: Some(cid_of(codec::DAG_CBOR, &number.to_le_bytes())),
            memo: None,
            log: None,
            engine: "bench".to_owned(),
            fuel: number,
            started: 1_700_000_000,
            took: 1,
        },
    };
    Ok(Receipt::sign(key, payload)?)
}

fn floor_database(path: &std::path::Path) -> Result<Connection> {
    let floor = Connection::open(path)?;
    floor.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         CREATE TABLE receipt (id INTEGER PRIMARY KEY, block BLOB NOT NULL);
         CREATE TABLE key (key INTEGER PRIMARY KEY, id INTEGER NOT NULL);",
    )?;
    Ok(floor)
}

fn key_of(cid: &Cid) -> i64 {
    let hash = cid_of(codec::RAW, &cid.to_bytes());
    let digest = hash.hash().digest();
    digest
        .iter()
        .take(8)
        .fold(0i64, |key, byte| key << 8 | i64::from(*byte))
}

fn floor_write(floor: &Connection, number: u64, block: &[u8]) -> Result<()> {
    let id = i64::try_from(number)? + 1;
    floor
        .prepare_cached("INSERT INTO receipt (id, block) VALUES (?1, ?2)")?
        .execute(params![id, block])?;
    floor
        .prepare_cached("INSERT INTO key (key, id) VALUES (?1, ?2)")?
        .execute(params![key_of(&task(number)), id])?;
    Ok(())
}

fn floor_read(floor: &Connection, task: &Cid) -> Result<Vec<u8>> {
    let id: i64 = floor
        .prepare_cached("SELECT id FROM key WHERE key = ?1")?
        .query_row(params![key_of(task)], |row| row.get(0))?;
    let block = floor
        .prepare_cached("SELECT block FROM receipt WHERE id = ?1")?
        .query_row(params![id], |row| row.get(0))?;
    Ok(block)
}
