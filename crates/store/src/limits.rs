//! Every bound of the store, in one place, with its unit and its reason.

use std::time::Duration;

/// Largest block that is stored, bytes. The same as what decoders accept.
pub const BLOCK_BYTES_MAX: usize = ipvm_ipld::MAX_BLOCK_BYTES;
/// Largest block that is kept as a row of `main.db`, bytes; larger ones are files. Measured: about there a file
/// becomes cheaper than the pages a row takes twice, once in the WAL and once in the database.
pub const INLINE_BYTES_MAX: usize = 64 << 10;
/// Most items (blocks, receipts, runs, steps) in one [`Batch`](crate::Batch).
pub const BATCH_ITEMS_MAX: usize = 65_536;
/// Most bytes of blocks and receipts in one [`Batch`](crate::Batch).
pub const BATCH_BYTES_MAX: usize = 64 << 20;

/// Most batches that wait for the writer; a further submitter waits.
pub(crate) const QUEUE_BATCHES_MAX: usize = 1_024;
/// Most files or folders of one batch that wait for the disk at the same time, each in a thread that does nothing else.
pub(crate) const WAITS_AT_ONCE: usize = 8;
/// Most bytes that wait for the writer; a further submitter waits.
pub(crate) const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Most batches in one transaction.
pub(crate) const GROUP_BATCHES_MAX: usize = QUEUE_BATCHES_MAX;
/// Bytes after which a transaction takes no further batch: keeps the time of one commit in the milliseconds.
pub(crate) const GROUP_BYTES_MAX: usize = 4 << 20;
/// Rows after which a transaction takes no further batch.
pub(crate) const GROUP_ROWS_MAX: usize = 8_192;

/// Most receipts covered by memory instead of `index.db`; the writer waits for a merge beyond it. About 80 MB.
pub(crate) const TAIL_ROWS_MAX: usize = 524_288;
/// Fewest receipts that are worth a merge while the writer is busy.
pub(crate) const MERGE_ROWS_MIN: usize = 4_096;
/// Largest backlog that a merge waits for.
pub(crate) const MERGE_ROWS_MAX: usize = 262_144;
/// The backlog a merge waits for, as a divisor of the receipts stored: a page of the index holds about 150
/// keys, so that such a batch writes each page for five new keys and not for one.
pub(crate) const MERGE_SHARE: i64 = 32;
/// The part of that backlog that is merged when idle, as a divisor: pauses must not make merges small.
pub(crate) const MERGE_IDLE_SHARE: usize = 8;
/// Fewest receipts that are merged when idle, or when closing; fewer load faster than they merge.
pub(crate) const MERGE_IDLE_ROWS: usize = 1_024;
/// Receipts per merge while a large index is rebuilt: fewer, larger merges write each page fewer times. About
/// 100 MB while it lasts.
pub(crate) const REBUILD_ROWS: usize = 1 << 20;
/// Keys put into `index.db` by one transaction: bounds its WAL to tens of MB however large the index is.
pub(crate) const MERGE_STEP_KEYS: usize = 8_192;
/// Time without a commit after which the store counts as idle.
pub(crate) const IDLE: Duration = Duration::from_millis(250);

/// Bytes committed (estimated) after which the background thread copies the WAL into the database.
pub(crate) const CHECKPOINT_BYTES: u64 = 4 << 20;
/// Bytes that a commit puts into the WAL beside its payload: the tree pages it touches (estimate).
pub(crate) const COMMIT_OVERHEAD_BYTES: u64 = 20 << 10;
/// Pages left to copy below which the writer ends a checkpoint itself, so that the WAL starts over.
pub(crate) const CHECKPOINT_REST_PAGES: i64 = 128;
/// Pages in the WAL above which the writer ends a checkpoint whatever is left to copy, so that under full load too
/// the WAL has a bound: reading 16 MB after a crash takes about 10 ms.
pub(crate) const CHECKPOINT_FORCE_PAGES: i64 = 4_096;
/// Pages in the WAL above which the writer waits until all of it is copied: the background thread cannot keep up.
pub(crate) const WAL_PAGES_MAX: i64 = 8_192;
/// Bytes committed (estimated) between two looks at the length of the WAL.
pub(crate) const WAL_LOOK_BYTES: u64 = 2 << 20;
/// Time for which the writer waits for readers that keep a full WAL from starting over.
pub(crate) const WAL_WAIT: Duration = Duration::from_millis(250);
/// Passes of one background checkpoint; each leaves what was committed meanwhile.
pub(crate) const CHECKPOINT_PASSES: usize = 4;
/// First step by which the WAL file is grown ahead of need, bytes.
pub(crate) const WAL_GROW_MIN: u64 = 256 << 10;
/// Largest step by which the WAL file is grown ahead of need, bytes.
pub(crate) const WAL_GROW_MAX: u64 = 2 << 20;
/// Bytes committed (estimated) between two looks whether the WAL file has grown: no more than what it is grown by.
pub(crate) const WAL_GROW_LOOK_BYTES: u64 = WAL_GROW_MIN;
/// Length to which the WAL file is grown ahead of need, bytes; beyond it the file only grows with its content.
pub(crate) const WAL_GROW_UNTIL: u64 = 12 << 20;
/// Length of the WAL file up to which closing leaves it alone, bytes: reading it at the next opening takes
/// less than a millisecond, emptying it costs three waits for the disk.
pub(crate) const WAL_KEEP_BYTES: u64 = 1 << 20;

/// Connections kept open for reading, per database. More readers open their own and close it afterwards.
pub(crate) const READERS_KEPT: usize = 8;
/// Prepared statements kept per connection.
pub(crate) const STATEMENTS_KEPT: usize = 32;
/// Time to wait for another process that recovers or checkpoints the same database.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Most receipts returned for one task or computation, oldest first.
pub const RECEIPTS_PER_KEY_MAX: usize = 1_024;
/// Most rows in one page of a listing.
pub const PAGE_ROWS_MAX: usize = 10_000;
/// Newest receipts, and newest blocks, among which a CID is looked for by its first characters: a few tenths of a
/// second, since neither is sorted by CID.
pub const PREFIX_ROWS_MAX: usize = 100_000;
/// Fewest characters by which a CID can be looked for.
pub const PREFIX_CHARS_MIN: usize = 8;
/// Most CIDs returned for their first characters: enough to say that they are ambiguous.
pub const PREFIX_FOUND_MAX: usize = 16;
/// Rows read per transaction when a whole table is walked: a longer read would keep the WAL from starting over.
pub(crate) const WALK_ROWS: usize = 4_096;
/// Rows read per transaction when the tail is loaded.
pub(crate) const LOAD_ROWS: usize = 65_536;
/// Rows deleted by one transaction of a collection: tens of milliseconds, and a bounded WAL.
pub(crate) const SWEEP_ROWS: usize = 4_096;
/// Pages returned to the system between two checkpoints.
pub(crate) const SHRINK_PAGES: i64 = 4_096;
/// Unused part of `main.db`, as a divisor of its pages, from which on writing it anew is worth its time and space. Only
/// for files that cannot give pages back otherwise.
pub(crate) const VACUUM_SHARE: i64 = 4;
/// Fewest unused pages for that: 16 MiB.
pub(crate) const VACUUM_PAGES_MIN: i64 = 4_096;
/// Blocks that are looked at to see whether a result is there whole. One with more counts as whole; reading it says
/// what is missing.
pub(crate) const WHOLE_BLOCKS_MAX: usize = 100_000;
/// Bytes of receipts or blocks that are checked at a time.
pub(crate) const VERIFY_BYTES: usize = 8 << 20;
/// Fewest rows that are worth a thread.
pub(crate) const VERIFY_SHARE_MIN: usize = 64;
/// Missing things that are named once each; further ones are named as often as something refers to them.
pub(crate) const MISSING_MAX: usize = 65_536;
