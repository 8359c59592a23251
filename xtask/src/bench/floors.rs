//! What cannot be done faster: waiting for the disk, and signing.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;

use anyhow::{Result, bail};
use ipvm_ucan::Keypair;

/// Length of the file that is written over: long enough for every floor, and written once before, so that no wait
/// for the disk is about the file's length.
const FILE_BYTES: usize = 16 << 20;
/// Bytes that are signed: about a receipt.
const SIGNED_BYTES: usize = 512;
/// Tasks that share a wait for the disk where 64 are in flight.
const IN_FLIGHT: usize = 64;

/// A file whose changes are waited for.
pub(crate) struct Disk {
    file: File,
    at: u64,
}

impl Disk {
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let path = folder.join("floor.bin");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(path)?;
        file.write_all(&vec![0x55; FILE_BYTES])?;
        file.sync_all()?;
        Ok(Self { file, at: 0 })
    }

    /// Writes so many bytes after one another and waits until they are on the disk, so many times.
    pub(crate) fn write(&mut self, bytes: usize, times: usize) -> Result<()> {
        let data = vec![0xAA; bytes];
        for _ in 0..times {
            if self.at + bytes as u64 > FILE_BYTES as u64 {
                self.at = 0;
            }
            self.file.seek(SeekFrom::Start(self.at))?;
            self.file.write_all(&data)?;
            self.file.sync_data()?;
            self.at += bytes as u64;
        }
        Ok(())
    }

    /// What the disk asks of so many things of this size, 64 of which share a wait.
    pub(crate) fn write_shared(&mut self, count: usize, bytes_each: usize) -> Result<()> {
        self.write(bytes_each * IN_FLIGHT, count.div_ceil(IN_FLIGHT))
    }
}

/// Signs so often, on every core.
pub(crate) fn sign(count: usize) -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let key = &Keypair::from_seed(&[7; 32]);
    let signed = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|core| {
                scope.spawn(move || {
                    let mut message = [0x55; SIGNED_BYTES];
                    for number in (core..count).step_by(cores) {
                        message[..8].copy_from_slice(&(number as u64).to_le_bytes());
                        black_box(key.sign(&message));
                    }
                })
            })
            .collect();
        workers.into_iter().all(|worker| worker.join().is_ok())
    });
    if !signed {
        bail!("a thread that signs has panicked");
    }
    Ok(())
}
