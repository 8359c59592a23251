//! What is known about rights and principals: delegations, revocations, accepted receipts, names, former keys.
//!
//! The tables are small and read whole, in pages. Nothing here knows what a token says; a row whose bytes are not those
//! that were stored is an error, never passed over: a lost revocation would give a right back.

use crate::Store;
use crate::error::{Context, StoreError};
use crate::limits::PAGE_ROWS_MAX;
use crate::types::{AuthorityChange, Former, Name, Role, StoredToken};
use ipvm_ipld::{Cid, cid_of, codec};
use rusqlite::{Connection, OptionalExtension, Row, params};

const READING: &str = "reading what is known about rights";

/// Carries out changes in an open transaction.
pub(crate) fn change(conn: &Connection, changes: &[AuthorityChange]) -> rusqlite::Result<()> {
    changes.iter().try_for_each(|change| one(conn, change))
}

fn one(conn: &Connection, change: &AuthorityChange) -> rusqlite::Result<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        conn.prepare_cached(sql)?.execute(values).map(drop)
    };
    match change {
        AuthorityChange::Token(token) => run(
            "INSERT INTO token(cid, since, block) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![
                token.block.cid().to_bytes(),
                token.since,
                token.block.data()
            ],
        ),
        AuthorityChange::Forget(cid) => {
            run("DELETE FROM token WHERE cid = ?1", params![cid.to_bytes()])
        }
        AuthorityChange::Accept { receipt, since } => run(
            "INSERT INTO accepted(receipt, since) VALUES(?1, ?2) ON CONFLICT DO NOTHING",
            params![receipt.to_bytes(), since],
        ),
        AuthorityChange::Name(name) => run(
            "INSERT INTO name(name, did, since, sum) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE
                SET did = excluded.did, since = excluded.since, sum = excluded.sum",
            params![
                name.name,
                name.did,
                name.since,
                sum(&[&name.name, &name.did])
            ],
        ),
        AuthorityChange::Unname(name) => run("DELETE FROM name WHERE name = ?1", params![name]),
        AuthorityChange::Former(former) => {
            let Former {
                did,
                role,
                successor,
                since,
            } = former;
            let guard = sum(&[did, &role.code().to_string(), successor]);
            run(
                "INSERT INTO former(did, role, successor, since, sum) VALUES(?1, ?2, ?3, ?4, ?5)
                    ON CONFLICT DO NOTHING",
                params![did, role.code(), successor, since, guard],
            )
        }
    }
}

/// Guards a row: the hash of its fields, each with its length before it.
pub(crate) fn sum(fields: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
        bytes.extend_from_slice(field.as_bytes());
    }
    cid_of(codec::RAW, &bytes).hash().digest().to_vec()
}

impl Store {
    /// The delegations and revocations, oldest first: at most `limit`, and at most [`PAGE_ROWS_MAX`](crate::PAGE_ROWS_MAX). `after`
    /// goes on after the last of an earlier page.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where a row is not what was stored, or what the system said.
    pub fn tokens(&self, after: i64, limit: usize) -> Result<Vec<StoredToken>, StoreError> {
        let sql = "SELECT id, cid, since, block FROM token WHERE id > ?1 ORDER BY id LIMIT ?2";
        let values = params![after, limit.min(PAGE_ROWS_MAX) as i64];
        let rows = self.authority_rows(sql, values, token)?;
        rows.into_iter()
            .map(|(id, token)| {
                token.ok_or_else(|| self.damaged(&format!("row {id} of the token table")))
            })
            .collect()
    }

    /// The token with a CID, if it is there.
    ///
    /// # Errors
    /// As [`Store::tokens`].
    pub fn token(&self, cid: &Cid) -> Result<Option<StoredToken>, StoreError> {
        let sql = "SELECT id, cid, since, block FROM token WHERE cid = ?1";
        let mut rows = self.authority_rows(sql, params![cid.to_bytes()], token)?;
        match rows.pop() {
            None => Ok(None),
            Some((_, Some(token))) => Ok(Some(token)),
            Some((id, None)) => Err(self.damaged(&format!("row {id} of the token table"))),
        }
    }

    /// Whether a receipt of another counts here like an own one.
    ///
    /// # Errors
    /// What the system said.
    pub fn is_accepted(&self, receipt: &Cid) -> Result<bool, StoreError> {
        let path = self.main.path();
        self.main.with(|conn| {
            let sql = "SELECT 1 FROM accepted WHERE receipt = ?1";
            let found = conn.prepare_cached(sql).and_then(|mut select| {
                select
                    .query_row([receipt.to_bytes()], |_| Ok(()))
                    .optional()
            });
            Ok(found.at(path, READING)?.is_some())
        })
    }

    /// All receipts of others that count here, in the order of their CIDs; `None` for a row that cannot be understood.
    pub(crate) fn accepted(&self) -> Result<Vec<Option<Cid>>, StoreError> {
        let sql = "SELECT receipt FROM accepted ORDER BY receipt";
        self.authority_rows(sql, &[], |row| {
            Ok(Cid::try_from(row.get_ref(0)?.as_blob()?).ok())
        })
    }

    /// All names, in their order.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where a row is not what was stored, or what the system said.
    pub fn names(&self) -> Result<Vec<Name>, StoreError> {
        let sql = "SELECT name, did, since, sum FROM name ORDER BY name";
        let rows = self.authority_rows(sql, &[], |row| {
            let name = Name {
                name: row.get(0)?,
                did: row.get(1)?,
                since: row.get(2)?,
            };
            let is_whole = row.get::<_, Vec<u8>>(3)? == sum(&[&name.name, &name.did]);
            Ok((name, is_whole))
        })?;
        rows.into_iter()
            .map(|(name, is_whole)| match is_whole {
                true => Ok(name),
                false => Err(self.damaged(&format!("the name {:?}", name.name))),
            })
            .collect()
    }

    /// The keys that this home had before, oldest first.
    ///
    /// # Errors
    /// As [`Store::names`].
    pub fn former(&self) -> Result<Vec<Former>, StoreError> {
        let sql = "SELECT did, role, successor, since, sum FROM former ORDER BY since, did";
        let rows = self.authority_rows(sql, &[], |row| {
            let did: String = row.get(0)?;
            let code: i64 = row.get(1)?;
            let successor: String = row.get(2)?;
            let guard = sum(&[&did, &code.to_string(), &successor]);
            let is_whole = row.get::<_, Vec<u8>>(4)? == guard;
            let role = Role::from_code(code).filter(|_| is_whole);
            let since = row.get(3)?;
            Ok(match role {
                Some(role) => Ok(Former {
                    did,
                    role,
                    successor,
                    since,
                }),
                None => Err(did),
            })
        })?;
        rows.into_iter()
            .map(|row| row.map_err(|did| self.damaged(&format!("the former key {did:?}"))))
            .collect()
    }

    fn authority_rows<T>(
        &self,
        sql: &str,
        values: &[&dyn rusqlite::ToSql],
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.small_rows(READING, sql, values, read)
    }

    /// All rows of a small table at once.
    pub(crate) fn small_rows<T>(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[&dyn rusqlite::ToSql],
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let path = self.main.path();
        self.main.with(|conn| {
            let all = || {
                let mut select = conn.prepare_cached(sql)?;
                let rows = select.query_map(values, &read)?;
                rows.collect::<rusqlite::Result<Vec<T>>>()
            };
            all().at(path, doing)
        })
    }

    fn damaged(&self, what: &str) -> StoreError {
        StoreError::Damaged {
            path: self.main.path().to_path_buf(),
            doing: READING,
            reason: format!("{what} is not what was stored"),
        }
    }
}

/// The id of a row of `id, cid, since, block`, and the token in it if its bytes are right.
fn token(row: &Row<'_>) -> rusqlite::Result<(i64, Option<StoredToken>)> {
    let id = row.get(0)?;
    let name: Vec<u8> = row.get(1)?;
    let since = row.get(2)?;
    let block: Vec<u8> = row.get(3)?;
    let cid = Cid::try_from(name.as_slice()).ok();
    let cid = cid.filter(|cid| *cid == cid_of(codec::DAG_CBOR, &block));
    let token = cid.map(|cid| StoredToken {
        id,
        cid,
        since,
        block,
    });
    Ok((id, token))
}
