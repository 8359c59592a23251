//! Whether the WAL still has every commit that was on the disk.
//!
//! SQLite reads a WAL up to the first frame whose checksum is wrong and passes over the rest without a word: after a
//! power cut that rest is one transaction that nobody was told of. A damaged byte further up looks the same to it, but
//! then the rest was acknowledged. It is told apart by what follows the wrong frame: the end of more than one
//! transaction, or less than the [`Mark`] says that was left when the store was last closed.

use crate::conn::{self, Access};
use crate::error::StoreError;
use crate::index::with_suffix;
use crate::wal;
use rusqlite::Connection;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of the header of the file (<https://sqlite.org/fileformat2.html#walformat>).
const HEADER_BYTES: usize = 32;
/// Bytes of it that its checksum covers.
const HEADER_SUMMED: usize = 24;
/// Bytes of the header of each frame; a page follows.
const FRAME_BYTES: usize = 24;
/// Bytes of it that its checksum covers, before those of the page.
const FRAME_SUMMED: usize = 8;
/// The largest page that SQLite knows, bytes.
const PAGE_BYTES_MAX: usize = 65_536;
/// Ends of transactions after a wrong frame that a power cut can leave.
const ENDS_ALLOWED: u64 = 1;
/// Frames after the last good one that are looked at before it is called the last.
const FRAMES_BEYOND: u64 = 2;
/// Largest part of a file that is read at a time, bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// How far the WAL went when the store was closed. It is left in the lock file, where nothing depends on it: what a
/// crash leaves there is older, and the WAL may always have more. Any mark says that there was a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// What the WAL's frames have in common since it was last started over.
    salts: u64,
    frames: u64,
}

impl Mark {
    /// As text; the sum makes a damaged one no mark.
    pub(crate) fn text(self) -> String {
        let sum = self.salts.rotate_left(7) ^ self.frames;
        format!("{:016x} {:016x} {sum:016x}", self.salts, self.frames)
    }

    /// The inverse.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text
            .split(' ')
            .map(|part| u64::from_str_radix(part, 16).ok());
        let mark = Self {
            salts: numbers.next()??,
            frames: numbers.next()??,
        };
        (mark.text() == text).then_some(mark)
    }

    /// The mark of the WAL as it is; `None` if there is none.
    pub(crate) fn of(conn: &Connection, main: &Path) -> Option<Self> {
        let mut wal = Wal::open(main).ok()??;
        Some(Self {
            salts: wal.header().ok()??.salts,
            frames: known(conn, main)?,
        })
    }
}

/// An error if commits are missing that were once on the disk. What comes before them is then copied into the database,
/// as far as that can be done.
pub(crate) fn check(
    conn: &Connection,
    main: &Path,
    access: Access,
    mark: Option<Mark>,
) -> Result<(), StoreError> {
    let path = with_suffix(main, "-wal");
    let unread = |error: io::Error| StoreError::io(&path, "checking the WAL", &error);
    let Some(mut wal) = Wal::open(main).map_err(unread)? else {
        return Ok(());
    };
    // Without the right to write, SQLite does not say how far it got.
    if access != Access::ReadOnly
        && let Some(known) = known(conn, main)
        && wal.ends_at(known, mark).map_err(unread)?
    {
        return Ok(());
    }
    let Some(at) = wal.damage(mark).map_err(unread)? else {
        return Ok(());
    };
    if let Ok(conn) = conn::open(main, Access::Write) {
        let _ = wal::checkpoint(&conn, main, wal::Mode::Passive);
    }
    Err(StoreError::LogDamaged { path, at })
}

/// How many frames of the WAL SQLite knows; `None` if it cannot say.
fn known(conn: &Connection, main: &Path) -> Option<u64> {
    // It looks at the WAL when it first reads.
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .ok()?;
    let found = wal::checkpoint(conn, main, wal::Mode::Look).ok()?;
    u64::try_from(found.pages).ok()
}

/// What the header of the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    salts: u64,
    page_bytes: usize,
    sum: Sum,
}

/// The running checksum of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
    big_endian: bool,
    halves: (u32, u32),
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let number = |word: &[u8; 4]| match self.big_endian {
            true => u32::from_be_bytes(*word),
            false => u32::from_le_bytes(*word),
        };
        let (words, _) = bytes.as_chunks::<4>();
        let (pairs, _) = words.as_chunks::<2>();
        for [first, second] in pairs {
            let (a, b) = self.halves;
            let a = a.wrapping_add(number(first)).wrapping_add(b);
            self.halves = (a, b.wrapping_add(number(second)).wrapping_add(a));
        }
    }

    fn is(&self, stated: u64) -> bool {
        (u64::from(self.halves.0) << 32) | u64::from(self.halves.1) == stated
    }
}

struct Wal {
    file: BufReader<File>,
    len: u64,
}

impl Wal {
    /// `None` if there is no file, or an empty one.
    fn open(main: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(with_suffix(main, "-wal")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let len = file.metadata()?.len();
        let file = BufReader::with_capacity(BUFFER_BYTES, file);
        Ok((len > HEADER_BYTES as u64).then_some(Self { file, len }))
    }

    /// The header; `None` if it is not what was written.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut bytes = [0; HEADER_BYTES];
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_exact(&mut bytes)?;
        let number = |at| u32_at(&bytes, at);
        let mut sum = Sum {
            big_endian: number(0) & 1 == 1,
            halves: (0, 0),
        };
        sum.add(bytes.get(..HEADER_SUMMED).unwrap_or_default());
        let page_bytes = number(8) as usize;
        let whole = sum.is(u64_at(&bytes, HEADER_SUMMED)) && page_bytes <= PAGE_BYTES_MAX;
        Ok(whole.then_some(Header {
            salts: u64_at(&bytes, 16),
            page_bytes,
            sum,
        }))
    }

    /// Whether nothing follows the frames that SQLite knows, nor is missing before.
    fn ends_at(&mut self, known: u64, mark: Option<Mark>) -> io::Result<bool> {
        let Some(header) = self.header()? else {
            return Ok(false);
        };
        if mark.is_some_and(|mark| mark.salts == header.salts && mark.frames > known) {
            return Ok(false);
        }
        for number in known..known + FRAMES_BEYOND {
            if let Some(frame) = self.frame_header(&header, number)?
                && u64_at(&frame, 8) == header.salts
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The header of a frame; `None` after the end of the file.
    fn frame_header(
        &mut self,
        header: &Header,
        number: u64,
    ) -> io::Result<Option<[u8; FRAME_BYTES]>> {
        let size = (FRAME_BYTES + header.page_bytes) as u64;
        let at = number
            .saturating_mul(size)
            .saturating_add(HEADER_BYTES as u64);
        if at.saturating_add(size) > self.len {
            return Ok(None);
        }
        let mut bytes = [0; FRAME_BYTES];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Where the file is damaged, as an offset in bytes.
    fn damage(&mut self, mark: Option<Mark>) -> io::Result<Option<u64>> {
        let Some(header) = self.header()? else {
            // One that is all zero was never written: a power cut came before the first commit.
            let mut bytes = [0; HEADER_BYTES];
            self.file.seek(SeekFrom::Start(0))?;
            self.file.read_exact(&mut bytes)?;
            return Ok(bytes.iter().any(|byte| *byte != 0).then_some(0));
        };
        let good = self.count_good(&header)?;
        let mut ends = 0;
        let (mut number, mut foreign) = (good, 0);
        while foreign < FRAMES_BEYOND {
            let Some(frame) = self.frame_header(&header, number)? else {
                break;
            };
            number += 1;
            if u64_at(&frame, 8) != header.salts {
                foreign += 1;
                continue;
            }
            foreign = 0;
            ends += u64::from(u32_at(&frame, 4) != 0);
        }
        let short = mark.is_some_and(|mark| mark.salts == header.salts && mark.frames > good);
        // A writer that has started the WAL over meanwhile has changed the ground.
        let same = self.header()? == Some(header);
        let size = (FRAME_BYTES + header.page_bytes) as u64;
        Ok((same && (short || ends > ENDS_ALLOWED)).then_some(HEADER_BYTES as u64 + good * size))
    }

    /// How many frames in a row are what was written.
    fn count_good(&mut self, header: &Header) -> io::Result<u64> {
        let mut sum = header.sum;
        let mut frame = vec![0; FRAME_BYTES + header.page_bytes];
        self.file.seek(SeekFrom::Start(HEADER_BYTES as u64))?;
        for good in 0.. {
            match self.file.read_exact(&mut frame) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(good),
                read => read?,
            }
            let (head, page) = frame.split_at(FRAME_BYTES);
            sum.add(head.get(..FRAME_SUMMED).unwrap_or_default());
            sum.add(page);
            if u64_at(head, 8) != header.salts || !sum.is(u64_at(head, 16)) {
                return Ok(good);
            }
        }
        Ok(0)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    u32::from_be_bytes(found.copied().unwrap_or_default())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
    u64::from_be_bytes(found.copied().unwrap_or_default())
}
