//! TLS: which authorities are trusted. One cryptography (ring), chosen here and not for the whole process.

use crate::account::AccountError;
use crate::fault::Problem;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Most bytes of PEM that an account may bring.
const MAX_ROOTS_BYTES: usize = 1 << 20;

/// The certificates that an account brings.
fn read_roots(pem: &str) -> Result<RootCertStore, AccountError> {
    let refuse = |what: String| AccountError::Field {
        field: "roots",
        what,
    };
    if pem.len() > MAX_ROOTS_BYTES {
        return Err(refuse(format!(
            "has {} bytes; at most {MAX_ROOTS_BYTES} are accepted",
            pem.len()
        )));
    }
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|der| store.add(der).map_err(|error| error.to_string()))
            .map_err(|error| {
                refuse(format!(
                    "cannot be read: {error}; write certificates as PEM"
                ))
            })?;
    }
    if store.is_empty() {
        return Err(refuse(
            "has no certificate; write certificates as PEM".to_owned(),
        ));
    }
    Ok(store)
}

/// Whether they can be read.
pub(crate) fn check_roots(pem: &str) -> Result<(), AccountError> {
    read_roots(pem).map(|_| ())
}

/// The certificates that the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others, as for most programs.
fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // Systems keep some that no modern verifier takes; those are left out.
    store.add_parsable_certificates(found.certs);
    if !store.is_empty() {
        return Ok(store);
    }
    let why: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
    Err(format!("the system has none ({})", why.join("; ")))
}

/// A client that trusts what the system trusts, or only what the account brings.
pub(crate) fn client(roots: Option<&str>) -> Result<Arc<ClientConfig>, Problem> {
    let failed = |error: &dyn std::fmt::Display| {
        Problem::new(
            "tls",
            format!(
                "there are no trusted certificates: {error}; install the system's (ca-certificates), or name some in the account"
            ),
        )
    };
    let store = match roots {
        None => system_roots().map_err(|error| failed(&error))?,
        Some(pem) => read_roots(pem).map_err(|error| failed(&error))?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
