//! Names of `did:web`: a domain, perhaps a port, perhaps a path. One spelling only, since principals are compared by text.

/// Longest label of a domain, in bytes (RFC 1035).
const MAX_LABEL_BYTES: usize = 63;

/// Checks what follows `did:web:`.
pub(super) fn check(name: &str) -> Result<(), &'static str> {
    if name.contains('#') {
        return Err("a fragment names one key of a principal, not the principal; leave it out");
    }
    if name.contains(['/', '?', ';']) {
        return Err("paths are written with colons, as in did:web:example.com:users:alice");
    }
    let mut parts = name.split(':');
    domain(parts.next().unwrap_or_default())?;
    parts.try_for_each(segment)
}

fn domain(text: &str) -> Result<(), &'static str> {
    let (host, port) = match text.split_once("%3A") {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    if let Some(port) = port {
        let number = port.parse::<u16>().ok().filter(|number| *number > 0);
        if number.is_none_or(|number| number.to_string() != port) {
            return Err("after %3A comes a port from 1 to 65535");
        }
    }
    if host.is_empty() {
        return Err("it begins with a domain");
    }
    for label in host.split('.') {
        let ok = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if label.is_empty() || label.len() > MAX_LABEL_BYTES || !label.bytes().all(ok) {
            return Err(
                "the domain has lower case letters, digits, hyphens and single dots only (a port follows %3A)",
            );
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("no part of the domain begins or ends with a hyphen");
        }
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|c| c.is_ascii_digit()) {
        return Err("it names a domain, not an IP address");
    }
    Ok(())
}

fn segment(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("a part of the path is empty");
    }
    if text == "." || text == ".." {
        return Err("the path has the part `.` or `..`");
    }
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                // Upper case, so that there is one spelling.
                let hex = |c: Option<u8>| match c {
                    Some(c @ b'0'..=b'9') => Some(c - b'0'),
                    Some(c @ b'A'..=b'F') => Some(c - b'A' + 10),
                    _ => None,
                };
                let (Some(high), Some(low)) = (hex(bytes.next()), hex(bytes.next())) else {
                    return Err("after % come two hexadecimal digits, in upper case");
                };
                let byte = high * 16 + low;
                if is_plain(byte) || matches!(byte, b'/' | b'\\' | 0..0x20 | 0x7f) {
                    return Err(
                        "the path escapes a character that is written plainly, or is not allowed",
                    );
                }
            }
            byte if is_plain(byte) => {}
            _ => return Err("the path has letters, digits, `.`, `-`, `_` and % escapes only"),
        }
    }
    Ok(())
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

/// The address of the document; `name` was checked.
pub(super) fn url(name: &str) -> String {
    match name.split_once(':') {
        None => format!("https://{}/.well-known/did.json", name.replace("%3A", ":")),
        Some((domain, path)) => format!(
            "https://{}/{}/did.json",
            domain.replace("%3A", ":"),
            path.replace(':', "/")
        ),
    }
}
