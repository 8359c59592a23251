//! What is kept, and for how long: pins, collection, the size limit, and checking all that is there.

use ipvm_ipld::{Cid, links_of_value};
use ipvm_store::{Batch, GcOptions, GcPart, GcReport, Pin, PinKind, VerifyEvent, VerifySummary};
use ipvm_ucan::Receipt;

use crate::cache;
use crate::error::OverLimit;
use crate::secret::is_sealed;
use crate::tokens::HomeTokens;
use crate::{Node, NodeError, WhichKey};

/// Smallest limit that can be set, in bytes: an empty home with its index needs less.
pub const LIMIT_BYTES_MIN: u64 = 16 << 20;
/// What an eviction leaves free, as a divisor of the limit: so that the next one is not needed at once.
const ROOM_SHARE: u64 = 10;

/// Which finished runs a collection keeps. Unfinished ones always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All, and every receipt that may answer later work.
    All,
    /// The newest so many.
    Runs(u64),
    /// Those that ended within so many seconds.
    Seconds(i64),
}

/// What a collection took away, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// In the store.
    pub store: GcReport,
    /// Compiled modules and interfaces of modules that are not here any more.
    pub cache_files: u64,
    /// Their bytes.
    pub cache_bytes: u64,
}

/// What was given up to keep the home under its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// Blocks of results and logs.
    pub blocks: u64,
    /// Their bytes.
    pub block_bytes: u64,
    /// Compiled modules and interfaces.
    pub cache_files: u64,
    /// Their bytes.
    pub cache_bytes: u64,
}

/// What a home holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of the store: pages in use, index, block files.
    pub store_bytes: u64,
    /// Bytes of compiled modules and interfaces.
    pub cache_bytes: u64,
    /// The limit, if there is one.
    pub limit: Option<u64>,
}

impl Usage {
    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.store_bytes.saturating_add(self.cache_bytes)
    }
}

impl Node {
    /// Keeps something, and all that it links to, whatever refers to it.
    ///
    /// # Errors
    /// It is not here, or the store fails.
    pub fn pin(&self, cid: &Cid, kind: PinKind) -> Result<(), NodeError> {
        if self.store().has(cid)? {
            return self.pin_name(*cid, kind);
        }
        if !self.is_secret_content(cid)? {
            return Err(self.absent(cid));
        }
        match kind {
            PinKind::Pinned => self.pin_name(self.vault()?.name(cid), kind),
            PinKind::Public => Err(NodeError::Secret(*cid)),
        }
    }

    pub(crate) fn pin_name(&self, cid: Cid, kind: PinKind) -> Result<(), NodeError> {
        let mut batch = Batch::new();
        batch.pin(Pin {
            cid,
            kind,
            since: self.now(),
        });
        Ok(self.store().commit(batch)?)
    }

    /// The pins, newest first, but for those of secret content: at most `limit`. `before` goes on after the last of an
    /// earlier page.
    ///
    /// # Errors
    /// The store fails.
    pub fn pins(&self, before: Option<Pin>, limit: usize) -> Result<Vec<Pin>, NodeError> {
        let mut found = Vec::new();
        let mut last = before;
        while found.len() < limit {
            let page = self.store().pins(last.as_ref(), limit)?;
            let Some(oldest) = page.last() else { break };
            last = Some(*oldest);
            found.extend(page.into_iter().filter(|pin| !is_sealed(&pin.cid)));
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Takes a pin away. Returns what it was.
    ///
    /// # Errors
    /// The store fails.
    pub fn unpin(&self, cid: &Cid) -> Result<Option<Pin>, NodeError> {
        let mut names = vec![*cid];
        names.extend(self.vault_if_any()?.map(|vault| vault.name(cid)));
        let mut found = None;
        for name in names {
            let Some(pin) = self.store().pin_of(&name)? else {
                continue;
            };
            let mut batch = Batch::new();
            batch.unpin(name);
            self.store().commit(batch)?;
            found = Some(Pin { cid: *cid, ..pin });
        }
        Ok(found)
    }

    /// Deletes what nothing that is kept refers to. `tell` hears what is being done and how much of it is done.
    ///
    /// # Errors
    /// Another process writes, something is damaged (before anything is deleted), or the store fails.
    pub fn gc(
        &mut self,
        keep: Keep,
        dry_run: bool,
        tell: &mut dyn FnMut(GcPart, u64),
    ) -> Result<Collected, NodeError> {
        let now = self.now();
        let options = GcOptions {
            keep: match keep {
                Keep::All => ipvm_store::Keep::All,
                Keep::Runs(most) => ipvm_store::Keep::Runs(most),
                Keep::Seconds(age) => ipvm_store::Keep::Since(now.saturating_sub(age)),
            },
            dry_run,
            now,
        };
        let tokens = self.home_tokens()?;
        let mut collected = Collected {
            store: self.with_store(|store| store.gc(&options, &tokens, tell))?,
            ..Collected::default()
        };
        for file in cache::files(&self.home_paths().cache())? {
            let is_needed = match &file.module {
                Some(module) => self.store().has(module)?,
                None => false,
            };
            if is_needed {
                continue;
            }
            collected.cache_files += 1;
            collected.cache_bytes += file.bytes;
            if !dry_run {
                file.remove()?;
            }
        }
        Ok(collected)
    }

    /// What the home holds.
    ///
    /// # Errors
    /// The store fails.
    pub fn usage(&self) -> Result<Usage, NodeError> {
        let cache = cache::files(&self.home_paths().cache())?;
        Ok(Usage {
            store_bytes: self.store().used_bytes()?,
            cache_bytes: cache.iter().map(|file| file.bytes).sum(),
            limit: self.store().limit()?,
        })
    }

    /// Sets or removes the limit of what the home holds, in bytes.
    ///
    /// # Errors
    /// It is below [`LIMIT_BYTES_MIN`], or the store fails.
    pub fn set_limit(&mut self, limit: Option<u64>) -> Result<(), NodeError> {
        if let Some(bytes) = limit.filter(|bytes| *bytes < LIMIT_BYTES_MIN) {
            return Err(NodeError::LimitTooSmall {
                bytes,
                min: LIMIT_BYTES_MIN,
            });
        }
        self.with_store(|store| store.set_limit(limit))
    }

    /// Sees to it that `coming` more bytes fit under the limit, giving up what can be computed again, from results and
    /// compiled modules in proportion to what they hold, oldest first. Does nothing if they fit already.
    ///
    /// # Errors
    /// They do not fit even so; then nothing is given up.
    pub fn make_room(
        &mut self,
        coming: u64,
        tell: &mut dyn FnMut(GcPart, u64),
    ) -> Result<GivenUp, NodeError> {
        let Some(limit) = self.store().limit()? else {
            return Ok(GivenUp::default());
        };
        let usage = self.usage()?;
        if usage.bytes().saturating_add(coming) <= limit {
            return Ok(GivenUp::default());
        }
        let wanted = (limit - limit / ROOM_SHARE).saturating_sub(coming);
        let goal = usage.bytes().saturating_sub(wanted);
        let mut fits = false;
        let mut share = |made: u64| {
            let most = made.saturating_add(usage.cache_bytes);
            let least = usage.bytes().saturating_sub(most).saturating_add(coming);
            fits = least <= limit;
            if fits {
                part_of(goal.min(most), made, most)
            } else {
                0
            }
        };
        let tokens = self.home_tokens()?;
        let evicted = self.with_store(|store| store.evict(&mut share, &tokens, tell))?;
        if !fits {
            return Err(self.over_limit(limit, usage, coming));
        }
        let mut given_up = GivenUp {
            blocks: evicted.blocks,
            block_bytes: evicted.bytes,
            ..GivenUp::default()
        };
        for file in cache::files(&self.home_paths().cache())? {
            if given_up.block_bytes + given_up.cache_bytes >= goal {
                break;
            }
            file.remove()?;
            given_up.cache_files += 1;
            given_up.cache_bytes += file.bytes;
        }
        Ok(given_up)
    }

    fn over_limit(&self, limit: u64, usage: Usage, coming: u64) -> NodeError {
        NodeError::OverLimit(Box::new(OverLimit {
            home: self.home().to_path_buf(),
            limit,
            store_bytes: usage.store_bytes,
            cache_bytes: usage.cache_bytes,
            coming,
        }))
    }

    /// Checks everything in the store: hashes, signatures, index, pins, links, files.
    ///
    /// # Errors
    /// What keeps the check from going on. Damage is a finding and not an error.
    pub fn verify_store(
        &self,
        tell: &mut dyn FnMut(VerifyEvent),
    ) -> Result<VerifySummary, NodeError> {
        // Damage to the record of former keys is found like any other.
        let mut tokens = self.home_tokens().unwrap_or_else(|_| HomeTokens {
            agents: vec![self.agent().clone()],
            vault: None,
        });
        tokens.vault = self.vault_if_any()?;
        Ok(self.store().verify_with(&tokens, tell)?)
    }

    fn home_tokens(&self) -> Result<HomeTokens<'static>, NodeError> {
        let mut agents = vec![self.agent().clone()];
        for (which, did, _) in self.former_keys()? {
            if which == WhichKey::Agent {
                agents.push(did);
            }
        }
        Ok(HomeTokens {
            agents,
            vault: None,
        })
    }

    /// Whether the content of a receipt's result is here, as far as it ever was: it may have been given up for space.
    pub(crate) fn is_whole(&self, receipt: &Receipt) -> bool {
        let links = links_of_value(receipt.payload().out.value());
        // What cannot be read is not whole; computing it again stores it again.
        links.is_empty() || self.store().is_whole(links).unwrap_or(false)
    }

    /// Why a block is not here.
    pub(crate) fn absent(&self, cid: &Cid) -> NodeError {
        match self.store().is_evicted(cid) {
            Ok(true) => NodeError::GivenUp(*cid),
            _ => NodeError::NoBlock(*cid),
        }
    }
}

/// `goal`·`part`/`whole`, rounded up.
fn part_of(goal: u64, part: u64, whole: u64) -> u64 {
    let share = (u128::from(goal) * u128::from(part)).div_ceil(u128::from(whole.max(1)));
    u64::try_from(share).unwrap_or(u64::MAX)
}
