//! Target 1: a memo hit in process, from the key to the checked result.

use std::path::Path;

use anyhow::{Context, Result};
use ipvm_ipld::{Cid, cid_of, codec};
use ipvm_node::{Access, Node};
use rusqlite::{Connection, params};

use super::measure::{Figure, Plan, Row};
use super::setting::{Setting, grouped};
use crate::receipts::Mint;

/// Different tasks that are looked up. In a large home they are spread over all of it, and each is read once before
/// measuring: warm is what is measured.
const TASKS: u64 = 20_000;

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let folder = setting.folder()?;
    let receipts = setting.count(100_000, 100);
    let floor = Floor::new(&folder.path().join("floor.db"))?;
    let node = small_home(&folder.path().join("home"), receipts)?;
    let name = "1 memo hit";
    let small = measure(
        setting,
        &node,
        receipts,
        &floor,
        &format!("{name}, {} receipts", grouped(receipts)),
    )?;
    let large = match &setting.large {
        Some(large) => {
            let node = Node::open(&large.home, Access::Write)?;
            let name = format!("{name}, {}", large.name());
            measure(setting, &node, large.receipts, &floor, &name)?.into()
        }
        None => Setting::without_large(name),
    };
    Ok(vec![small.into(), large])
}

/// A new home with this many receipts.
pub(crate) fn small_home(home: &Path, receipts: u64) -> Result<Node> {
    let node = Node::open(home, Access::Write)?;
    Mint::new(&node)?.fill(0..receipts, &mut |_| ())?;
    Ok(node)
}

/// The tasks that are looked up, in an order without pattern, each of them read once.
pub(crate) fn warm_tasks(node: &Node, receipts: u64) -> Result<Vec<Cid>> {
    let mint = Mint::new(node)?;
    let mut state = 1u64;
    let mut tasks = Vec::new();
    for _ in 0..TASKS.min(receipts) {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let task = mint.task((state >> 33) % receipts)?;
        look_up(node, &task)?;
        tasks.push(task);
    }
    Ok(tasks)
}

/// A memo hit.
pub(crate) fn look_up(node: &Node, task: &Cid) -> Result<ipvm_ucan::Receipt> {
    let found = node.look_up_task(task)?;
    found.context("a receipt for every task")
}

fn measure(
    setting: &Setting,
    node: &Node,
    receipts: u64,
    floor: &Floor,
    name: &str,
) -> Result<Figure> {
    let tasks = warm_tasks(node, receipts)?;
    let pick = |round: usize| tasks.get(round % tasks.len()).context("a task");
    for (id, task) in (1..).zip(&tasks) {
        floor.write(id, task, &look_up(node, task)?)?;
    }
    let plan = Plan {
        name,
        floor: "sha2-256 of the key + two SQLite point reads among 20,000",
        target: "≤ 20 µs p50, ≤ 50 µs p99",
        conditions: "warm, random tasks, hash and binding checked on read, receipt decoded",
        rounds: setting.count(50_000, 10),
    };
    Figure::measure(
        &plan,
        |round| floor.read(pick(round)?),
        |round| look_up(node, pick(round)?),
    )
}

/// What two SQLite point reads cost.
struct Floor(Connection);

impl Floor {
    fn new(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
             CREATE TABLE receipt (id INTEGER PRIMARY KEY, block BLOB NOT NULL);
             CREATE TABLE key (key INTEGER PRIMARY KEY, id INTEGER NOT NULL);",
        )?;
        Ok(Self(connection))
    }

    fn write(&self, id: i64, task: &Cid, receipt: &ipvm_ucan::Receipt) -> Result<()> {
        self.0
            .prepare_cached("INSERT OR REPLACE INTO receipt (id, block) VALUES (?1, ?2)")?
            .execute(params![id, receipt.bytes()])?;
        self.0
            .prepare_cached("INSERT OR REPLACE INTO key (key, id) VALUES (?1, ?2)")?
            .execute(params![key_of(task), id])?;
        Ok(())
    }

    fn read(&self, task: &Cid) -> Result<Vec<u8>> {
        let id: i64 = self
            .0
            .prepare_cached("SELECT id FROM key WHERE key = ?1")?
            .query_row(params![key_of(task)], |row| row.get(0))?;
        let block = self
            .0
            .prepare_cached("SELECT block FROM receipt WHERE id = ?1")?
            .query_row(params![id], |row| row.get(0))?;
        Ok(block)
    }
}

fn key_of(cid: &Cid) -> i64 {
    let hash = cid_of(codec::RAW, &cid.to_bytes());
    let digest = hash.hash().digest();
    digest
        .iter()
        .take(8)
        .fold(0i64, |key, byte| key << 8 | i64::from(*byte))
}
