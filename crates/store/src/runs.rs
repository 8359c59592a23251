//! Reading runs and their steps, and the counts of the whole store.

use crate::Store;
use crate::error::{Context, StoreError};
use crate::index::with_suffix;
use crate::limits::PAGE_ROWS_MAX;
use crate::schema::Fact;
use crate::types::{ReceiptId, RunFilter, RunId, RunInfo, RunStatus, Stat, StepInfo, StepState};
use crate::wal::file_len;
use ipvm_ipld::Cid;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};

const READING: &str = "reading runs";
const COUNTING: &str = "counting";

/// The columns that [`Store::run_info`] reads.
const COLUMNS: &str = "id, workflow, name, source, invocation, started, finished, status, tasks,
    (SELECT count(*) FROM step WHERE step.run = run.id AND step.state <> 0)";

impl Store {
    /// A run by its id.
    ///
    /// # Errors
    /// [`StoreError::RunDamaged`], [`StoreError::Damaged`], or what the system said.
    pub fn run(&self, id: RunId) -> Result<Option<RunInfo>, StoreError> {
        let found = self.select_runs("id = ?3", Some(Value::Integer(id.0)), None, 1)?;
        Ok(found.into_iter().next())
    }

    /// Runs, newest first: at most `limit`, and at most [`PAGE_ROWS_MAX`](crate::PAGE_ROWS_MAX). `before` goes on
    /// after the last of an earlier page.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub fn runs(
        &self,
        filter: &RunFilter,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<RunInfo>, StoreError> {
        let (condition, value) = match filter {
            RunFilter::All => ("TRUE", None),
            RunFilter::Workflow(cid) => ("workflow = ?3", Some(Value::Blob(cid.to_bytes()))),
            RunFilter::Name(name) => ("name = ?3", Some(Value::Text(name.clone()))),
            RunFilter::Source(source) => ("source = ?3", Some(Value::Text(source.clone()))),
        };
        self.select_runs(condition, value, before, limit)
    }

    fn select_runs(
        &self,
        condition: &str,
        value: Option<Value>,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<RunInfo>, StoreError> {
        let path = self.main.path();
        let sql = format!(
            "SELECT {COLUMNS} FROM run WHERE id < ?1 AND {condition} ORDER BY id DESC LIMIT ?2"
        );
        let before = Value::Integer(before.map_or(i64::MAX, |id| id.0));
        let limit = Value::Integer(i64::try_from(limit.min(PAGE_ROWS_MAX)).unwrap_or(i64::MAX));
        let values = [before, limit].into_iter().chain(value);
        self.main.with(|conn| {
            let mut select = conn.prepare_cached(&sql).at(path, READING)?;
            let mut rows = select.query(params_from_iter(values)).at(path, READING)?;
            let mut runs = Vec::new();
            while let Some(row) = rows.next().at(path, READING)? {
                runs.push(self.run_info(row)?);
            }
            Ok(runs)
        })
    }

    fn run_info(&self, row: &Row<'_>) -> Result<RunInfo, StoreError> {
        let path = self.main.path();
        let id = row.get(0).map(RunId).at(path, READING)?;
        let damaged = |reason: &str| StoreError::RunDamaged {
            run: id,
            path: path.to_path_buf(),
            reason: reason.into(),
        };
        let cid =
            |bytes: &[u8]| Cid::try_from(bytes).map_err(|_| damaged("a CID in it is malformed"));
        let workflow: Vec<u8> = row.get(1).at(path, READING)?;
        let invocation: Option<Vec<u8>> = row.get(4).at(path, READING)?;
        let status = row.get(7).at(path, READING)?;
        Ok(RunInfo {
            id,
            workflow: cid(&workflow)?,
            name: row.get(2).at(path, READING)?,
            source: row.get(3).at(path, READING)?,
            invocation: invocation.as_deref().map(cid).transpose()?,
            started: row.get(5).at(path, READING)?,
            finished: row.get(6).at(path, READING)?,
            status: RunStatus::from_code(status).ok_or_else(|| damaged("its status is unknown"))?,
            tasks: row.get(8).at(path, READING)?,
            done: row.get(9).at(path, READING)?,
        })
    }

    /// The steps of a run that have a state, by their position. Steps that are not among them are pending.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub fn steps(&self, run: RunId) -> Result<Vec<StepInfo>, StoreError> {
        let path = self.main.path();
        let damaged = |reason: &str| StoreError::RunDamaged {
            run,
            path: path.to_path_buf(),
            reason: reason.into(),
        };
        self.main.with(|conn| {
            let sql = "SELECT idx, state, receipt FROM step WHERE run = ?1 ORDER BY idx";
            let mut select = conn.prepare_cached(sql).at(path, READING)?;
            let mut rows = select.query([run.0]).at(path, READING)?;
            let mut steps = Vec::new();
            while let Some(row) = rows.next().at(path, READING)? {
                steps.push(StepInfo {
                    index: row.get(0).at(path, READING)?,
                    state: StepState::from_code(row.get(1).at(path, READING)?)
                        .ok_or_else(|| damaged("the state of a step is unknown"))?,
                    receipt: row
                        .get::<_, Option<i64>>(2)
                        .at(path, READING)?
                        .map(ReceiptId),
                });
            }
            Ok(steps)
        })
    }

    /// The first run that has this receipt as a step's, and that step. Looks at all steps of all runs.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or what the system said.
    pub fn step_of(&self, receipt: ReceiptId) -> Result<Option<(RunId, u32)>, StoreError> {
        let path = self.main.path();
        self.main.with(|conn| {
            let sql = "SELECT run, idx FROM step WHERE receipt = ?1 ORDER BY run LIMIT 1";
            conn.prepare_cached(sql)
                .and_then(|mut select| {
                    let place = |row: &Row<'_>| Ok((RunId(row.get(0)?), row.get(1)?));
                    select.query_row([receipt.0], place).optional()
                })
                .at(path, READING)
        })
    }

    /// Sizes and counts. Rows are counted by the newest row number and by how many were deleted, which needs no scan.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or what the system said.
    pub fn stat(&self) -> Result<Stat, StoreError> {
        let path = self.main.path();
        let sql = "SELECT (SELECT max(id) FROM receipt), (SELECT max(id) FROM block),
            (SELECT count(*) FROM block WHERE data IS NULL), (SELECT sum(size) FROM block WHERE data IS NULL),
            (SELECT count(*) FROM run), (SELECT count(*) FROM pin)";
        let counts = self.main.with(|conn| {
            let number = |row: &Row<'_>, column| {
                Ok::<_, rusqlite::Error>(
                    row.get::<_, Option<i64>>(column)?
                        .unwrap_or(0)
                        .unsigned_abs(),
                )
            };
            let fact = |fact: Fact| fact.get(conn).map(i64::unsigned_abs);
            conn.query_row(sql, params![], |row| {
                let receipts = number(row, 0)?.max(fact(Fact::LastReceipt)?);
                Ok([
                    receipts.saturating_sub(fact(Fact::ReceiptsDropped)?),
                    number(row, 1)?.saturating_sub(fact(Fact::BlockGaps)?),
                    number(row, 2)?,
                    number(row, 3)?,
                    number(row, 4)?,
                    number(row, 5)?,
                    fact(Fact::LimitBytes)?,
                ])
            })
            .at(path, COUNTING)
        })?;
        let [
            receipts,
            blocks,
            block_files,
            block_file_bytes,
            runs,
            pins,
            limit,
        ] = counts;
        let index = self.index.path();
        Ok(Stat {
            receipts,
            blocks,
            block_files,
            block_file_bytes,
            runs,
            pins,
            limit: (limit > 0).then_some(limit),
            main_bytes: file_len(path),
            wal_bytes: file_len(&with_suffix(path, "-wal")),
            index_bytes: file_len(index) + file_len(&with_suffix(index, "-wal")),
            indexed: self.index.mark()?.map(ReceiptId),
        })
    }
}
