//! Varsig 1.0.0 headers: which algorithm and encoding a signature is of.

/// The header of Ed25519 over DAG-CBOR, the one that is emitted and verified.
pub(crate) const ED25519: [u8; 8] = [0x34, 0x01, 0xed, 0x01, 0xed, 0x01, 0x13, 0x71];
const P256: [u8; 8] = [0x34, 0x01, 0xec, 0x01, 0x80, 0x24, 0x12, 0x71];
const SECP256K1: [u8; 8] = [0x34, 0x01, 0xec, 0x01, 0xe7, 0x01, 0x12, 0x71];
/// Most bytes of an unknown header that are shown.
const SHOWN: usize = 32;

/// Accepts the header of Ed25519; names any other.
pub(crate) fn require_ed25519(header: &[u8]) -> Result<(), String> {
    if header == ED25519 {
        return Ok(());
    }
    Err(if header == P256 {
        "P-256".to_owned()
    } else if header == SECP256K1 {
        "secp256k1".to_owned()
    } else {
        let hex: String = header
            .iter()
            .take(SHOWN)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("with the unknown varsig header {hex}")
    })
}
