//! Where the conformance data of others is.

use std::path::PathBuf;

/// A folder of the conformance data; `None` (with a note) where the data is not installed, except in CI.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("IPVM_CONFORMANCE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "the conformance data is missing: {}", folder.display());
    eprintln!(
        "skipped: no conformance data at {} (set IPVM_CONFORMANCE)",
        folder.display()
    );
    None
}
