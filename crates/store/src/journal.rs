//! What is needed to do effects once: intents, which run a file's latest is, values by key, and sealed settings.
//!
//! An intent is written before an effect that must not be done twice leaves, and taken away in the commit of its receipt.
//! One that is still there when nobody works on it is a question. Rows are guarded by a sum: a changed one is an error,
//! never an answer.

use crate::Store;
use crate::authority::sum;
use crate::error::StoreError;
use crate::limits::PAGE_ROWS_MAX;
use crate::types::{Intent, JournalChange, RunId, Setting, Value};
use ipvm_ipld::{Cid, cid_of, codec, links};
use rusqlite::{Connection, Row, params};

const READING: &str = "reading the journal of effects";
/// The key under which a subject's last version is counted. Keys of values are not empty.
const COUNT: &str = "";
/// What stands under it: null in DAG-CBOR.
const NOTHING: &[u8] = &[0xf6];

/// Carries out changes in an open transaction.
pub(crate) fn change(conn: &Connection, changes: &[JournalChange]) -> rusqlite::Result<()> {
    changes.iter().try_for_each(|change| one(conn, change))
}

fn one(conn: &Connection, change: &JournalChange) -> rusqlite::Result<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        conn.prepare_cached(sql)?.execute(values).map(drop)
    };
    match change {
        JournalChange::Intend(intent) => run(
            "INSERT INTO intent(task, run, idx, since, account, doubt, sum) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)
                ON CONFLICT DO UPDATE SET run = excluded.run, idx = excluded.idx, since = excluded.since,
                    account = excluded.account, doubt = excluded.doubt, sum = excluded.sum",
            params![
                intent.task.to_bytes(),
                intent.run.0,
                intent.index,
                intent.since,
                intent.account,
                intent.doubt,
                guard(intent)
            ],
        ),
        JournalChange::Settle(task) => run(
            "DELETE FROM intent WHERE task = ?1",
            params![task.to_bytes()],
        ),
        JournalChange::Recipe(recipe) => run(
            "INSERT INTO recipe(run, cid) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET cid = excluded.cid",
            params![recipe.run.0, recipe.cid.to_bytes()],
        ),
        JournalChange::Put(value) => {
            put(conn, value)?;
            count(conn, &value.subject, value.version)
        }
        JournalChange::Remove { subject, key } => {
            count(conn, subject, 0)?;
            run(
                "DELETE FROM kv WHERE subject = ?1 AND key = ?2",
                params![subject, key],
            )
        }
        JournalChange::Set(setting) => run(
            "INSERT INTO setting(name, since, value, sum) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE
                SET since = excluded.since, value = excluded.value, sum = excluded.sum",
            params![
                setting.name,
                setting.since,
                setting.value,
                setting_guard(setting)
            ],
        ),
        JournalChange::Unset(name) => run("DELETE FROM setting WHERE name = ?1", params![name]),
    }
}

fn put(conn: &Connection, value: &Value) -> rusqlite::Result<()> {
    let sql = "INSERT INTO kv(subject, key, version, value, sum) VALUES(?1, ?2, ?3, ?4, ?5)
            ON CONFLICT DO UPDATE SET version = excluded.version, value = excluded.value, sum = excluded.sum";
    let values = params![
        value.subject,
        value.key,
        value.version,
        value.value,
        value_guard(value)
    ];
    conn.prepare_cached(sql)?.execute(values).map(drop)
}

/// Counts up to a version, or to the highest one of a subject whose versions are not counted yet. The count outlives every
/// key, so that no version comes back.
fn count(conn: &Connection, subject: &str, version: i64) -> rusqlite::Result<()> {
    let number = |sql: &str| {
        let mut read = conn.prepare_cached(sql)?;
        read.query_row(params![subject], |row| row.get::<_, Option<i64>>(0))
    };
    let counted = number("SELECT max(version) FROM kv WHERE subject = ?1 AND key = ''")?;
    let counted = match counted {
        Some(counted) => counted,
        None => number("SELECT max(version) FROM kv WHERE subject = ?1")?.unwrap_or_default(),
    };
    put(
        conn,
        &Value {
            subject: subject.to_owned(),
            key: COUNT.to_owned(),
            version: counted.max(version),
            value: NOTHING.to_vec(),
        },
    )
}

fn guard(intent: &Intent) -> Vec<u8> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    sum(&[
        &intent.task.to_string(),
        &intent.run.to_string(),
        &intent.index.to_string(),
        &text(&intent.account),
        &text(&intent.doubt),
    ])
}

fn value_guard(value: &Value) -> Vec<u8> {
    let digest = cid_of(codec::RAW, &value.value).to_string();
    sum(&[
        &value.subject,
        &value.key,
        &value.version.to_string(),
        &digest,
    ])
}

fn setting_guard(setting: &Setting) -> Vec<u8> {
    let digest = cid_of(codec::RAW, &setting.value).to_string();
    sum(&[&setting.name, &digest])
}

impl Store {
    /// The note that a task was about to be done, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the row is not what was stored, or what the system said.
    pub fn intent(&self, task: &Cid) -> Result<Option<Intent>, StoreError> {
        let sql = "SELECT task, run, idx, since, account, doubt, sum FROM intent WHERE task = ?1";
        let rows = self.journal_rows(sql, params![task.to_bytes()], intent)?;
        rows.into_iter()
            .next()
            .map(|row| self.whole(row))
            .transpose()
    }

    /// All notes of tasks that were about to be done, in the order in which they were written: at most `limit`.
    ///
    /// # Errors
    /// As [`Store::intent`].
    pub fn intents(&self, limit: usize) -> Result<Vec<Intent>, StoreError> {
        let sql = "SELECT task, run, idx, since, account, doubt, sum FROM intent ORDER BY run, idx LIMIT ?1";
        let limit = limit.min(PAGE_ROWS_MAX) as i64;
        let rows = self.journal_rows(sql, params![limit], intent)?;
        rows.into_iter().map(|row| self.whole(row)).collect()
    }

    /// The newest run that was made of a recipe. A collection may have dropped it; then its name is all that is left.
    ///
    /// # Errors
    /// What the system said.
    pub fn latest_of_recipe(&self, recipe: &Cid) -> Result<Option<RunId>, StoreError> {
        let sql = "SELECT max(run) FROM recipe WHERE cid = ?1";
        let rows = self.journal_rows(sql, params![recipe.to_bytes()], |row| {
            row.get::<_, Option<i64>>(0)
        })?;
        Ok(rows.into_iter().flatten().next().map(RunId))
    }

    /// A subject's value under a key.
    ///
    /// # Errors
    /// As [`Store::intent`].
    pub fn value(&self, subject: &str, key: &str) -> Result<Option<Value>, StoreError> {
        let sql =
            "SELECT subject, key, version, value, sum FROM kv WHERE subject = ?1 AND key = ?2";
        let rows = self.journal_rows(sql, params![subject, key], value)?;
        rows.into_iter()
            .next()
            .map(|row| self.whole(row))
            .transpose()
    }

    /// The highest version that any key of a subject has had; 0 if there was none. The next change has a higher one.
    ///
    /// # Errors
    /// As [`Store::intent`].
    pub fn last_version(&self, subject: &str) -> Result<i64, StoreError> {
        if let Some(count) = self.value(subject, COUNT)? {
            return Ok(count.version);
        }
        let sql = "SELECT max(version) FROM kv WHERE subject = ?1";
        let rows = self.journal_rows(sql, params![subject], |row| row.get::<_, Option<i64>>(0))?;
        Ok(rows.into_iter().flatten().next().unwrap_or_default())
    }

    /// A subject's keys that begin with `prefix`, in byte order: at most `limit`, after `after`.
    ///
    /// # Errors
    /// What the system said.
    pub fn value_keys(
        &self,
        subject: &str,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let sql =
            "SELECT key FROM kv WHERE subject = ?1 AND key <> '' AND substr(key, 1, length(?2)) = ?2 AND key > ?3
            ORDER BY key LIMIT ?4";
        let limit = limit.min(PAGE_ROWS_MAX) as i64;
        self.journal_rows(sql, params![subject, prefix, after, limit], |row| {
            row.get(0)
        })
    }

    /// What the values under keys refer to.
    pub(crate) fn value_links(&self) -> Result<Vec<Cid>, StoreError> {
        let sql = "SELECT subject, key, version, value, sum FROM kv";
        let mut found = Vec::new();
        for row in self.journal_rows(sql, &[], value)? {
            let value = self.whole(row)?;
            let cid = cid_of(codec::DAG_CBOR, &value.value);
            found.extend(links(&cid, &value.value).unwrap_or_default());
        }
        Ok(found)
    }

    /// All settings, in the order of their names.
    ///
    /// # Errors
    /// As [`Store::intent`].
    pub fn settings(&self) -> Result<Vec<Setting>, StoreError> {
        let sql = "SELECT name, since, value, sum FROM setting ORDER BY name";
        let rows = self.journal_rows(sql, &[], setting)?;
        rows.into_iter().map(|row| self.whole(row)).collect()
    }

    /// Reads every row of these tables, for [`Store::verify`].
    pub(crate) fn check_journal(&self) -> Vec<Result<(), StoreError>> {
        let values = || {
            let sql = "SELECT subject, key, version, value, sum FROM kv";
            let rows = self.journal_rows(sql, &[], value)?;
            rows.into_iter()
                .try_for_each(|row| self.whole(row).map(drop))
        };
        vec![
            self.intents(usize::MAX).map(drop),
            self.settings().map(drop),
            values(),
        ]
    }

    fn whole<T>(&self, row: Result<T, String>) -> Result<T, StoreError> {
        row.map_err(|what| StoreError::Damaged {
            path: self.main.path().to_path_buf(),
            doing: READING,
            reason: format!("{what} is not what was stored"),
        })
    }

    fn journal_rows<T>(
        &self,
        sql: &str,
        values: &[&dyn rusqlite::ToSql],
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.small_rows(READING, sql, values, read)
    }
}

/// A row, or what it is if its sum is wrong.
type Guarded<T> = rusqlite::Result<Result<T, String>>;

fn intent(row: &Row<'_>) -> Guarded<Intent> {
    let task: Vec<u8> = row.get(0)?;
    let (run, index) = (RunId(row.get(1)?), row.get(2)?);
    let Ok(task) = Cid::try_from(task.as_slice()) else {
        return Ok(Err(format!("the intent of step {index} of run {run}")));
    };
    let intent = Intent {
        task,
        run,
        index,
        since: row.get(3)?,
        account: row.get(4)?,
        doubt: row.get(5)?,
    };
    let is_whole = row.get::<_, Vec<u8>>(6)? == guard(&intent);
    let what = format!("the intent of task {task}");
    Ok(if is_whole { Ok(intent) } else { Err(what) })
}

fn value(row: &Row<'_>) -> Guarded<Value> {
    let value = Value {
        subject: row.get(0)?,
        key: row.get(1)?,
        version: row.get(2)?,
        value: row.get(3)?,
    };
    let is_whole = row.get::<_, Vec<u8>>(4)? == value_guard(&value);
    let what = format!("the value of {:?} of {}", value.key, value.subject);
    Ok(if is_whole { Ok(value) } else { Err(what) })
}

fn setting(row: &Row<'_>) -> Guarded<Setting> {
    let setting = Setting {
        name: row.get(0)?,
        since: row.get(1)?,
        value: row.get(2)?,
    };
    let is_whole = row.get::<_, Vec<u8>>(3)? == setting_guard(&setting);
    let what = format!("the setting {:?}", setting.name);
    Ok(if is_whole { Ok(setting) } else { Err(what) })
}
