//! What the system says about this process. Where it does not (on other systems than Linux), there is no value, and
//! what is made of it is not reported.

use std::fs;

/// Bytes that this process has caused to be written to the disk so far.
pub(crate) fn written_bytes() -> Option<u64> {
    field("/proc/self/io", "write_bytes:")
}

/// Memory in use now, in bytes.
pub(crate) fn resident_bytes() -> Option<u64> {
    field("/proc/self/status", "VmRSS:").map(|kib| kib << 10)
}

/// The most memory that was in use since [`forget_peak`], in bytes.
pub(crate) fn peak_bytes() -> Option<u64> {
    field("/proc/self/status", "VmHWM:").map(|kib| kib << 10)
}

/// Makes the peak begin anew from what is in use now.
pub(crate) fn forget_peak() -> Option<()> {
    // The kernel's name for it: see `clear_refs` in proc_pid_clear_refs(5).
    fs::write("/proc/self/clear_refs", "5").ok()
}

fn field(path: &str, key: &str) -> Option<u64> {
    number(&fs::read_to_string(path).ok()?, key)
}

/// The number after `key` at the start of a line.
fn number(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    //! Without these memory or writes could be read from the wrong line.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_number_is_read_from_its_line() {
        let text = "rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 2\nVmHWM:\t   512 kB\n";
        for (key, expected) in [
            ("write_bytes:", Some(4096)),
            ("VmHWM:", Some(512)),
            ("VmRSS:", None),
        ] {
            assert_eq!(number(text, key), expected, "{key}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_follows_what_is_taken_and_can_be_forgotten() {
        let before = resident_bytes().unwrap();
        let taken = vec![1u8; 64 << 20];
        assert!(peak_bytes().unwrap() >= before + (60 << 20));
        drop(std::hint::black_box(taken));
        forget_peak().unwrap();
        assert!(peak_bytes().unwrap() < before + (60 << 20));
    }
}
