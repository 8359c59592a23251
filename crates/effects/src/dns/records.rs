//! Records as people write them. Text of TXT records is the text itself, without quotes; names end with a dot, as in the
//! files of DNS servers.

use crate::dns::args::parse_name;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, TXT};
use hickory_proto::rr::{RData, RecordType};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest string inside a TXT record, in bytes (RFC 1035, section 3.3).
const STRING_BYTES: usize = 255;
/// Longest text of one TXT record, in bytes.
const MAX_TEXT_BYTES: usize = 4 << 10;

/// Reads a value that is to be written.
pub(crate) fn parse(kind: RecordType, text: &str) -> Result<RData, String> {
    match kind {
        RecordType::A => text
            .parse::<Ipv4Addr>()
            .map(|address| RData::A(A(address)))
            .map_err(|_| format!("{text:?} is not an IPv4 address")),
        RecordType::AAAA => text
            .parse::<Ipv6Addr>()
            .map(|address| RData::AAAA(AAAA(address)))
            .map_err(|_| format!("{text:?} is not an IPv6 address")),
        RecordType::CNAME => parse_name(text).map(|name| RData::CNAME(CNAME(name))),
        RecordType::TXT if text.len() > MAX_TEXT_BYTES => Err(format!(
            "a text has {} bytes; at most {MAX_TEXT_BYTES} are accepted",
            text.len()
        )),
        RecordType::TXT if text.is_empty() => Ok(RData::TXT(TXT::from_bytes(vec![b""]))),
        RecordType::TXT => Ok(RData::TXT(TXT::from_bytes(
            text.as_bytes().chunks(STRING_BYTES).collect(),
        ))),
        other => Err(format!("records of type {other} are not written")),
    }
}

/// Writes a value that was read; none of a type that is not read.
pub(crate) fn to_text(data: &RData) -> Option<String> {
    Some(match data {
        RData::A(address) => address.to_string(),
        RData::AAAA(address) => address.to_string(),
        RData::TXT(text) => String::from_utf8_lossy(&text.txt_data.concat()).into_owned(),
        RData::CNAME(name) => name.to_ascii(),
        RData::NS(name) => name.to_ascii(),
        RData::PTR(name) => name.to_ascii(),
        RData::MX(mx) => format!("{} {}", mx.preference, mx.exchange.to_ascii()),
        RData::SRV(srv) => format!(
            "{} {} {} {}",
            srv.priority,
            srv.weight,
            srv.port,
            srv.target.to_ascii()
        ),
        RData::CAA(caa) => format!(
            "{} {} {:?}",
            caa.flags(),
            caa.tag,
            String::from_utf8_lossy(&caa.value)
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record that is written and read back must be what was meant.
    #[test]
    fn what_is_written_is_read_back() {
        let check = |kind, text: &str, shown: &str| {
            let data = parse(kind, text).unwrap();
            assert_eq!(data.record_type(), kind);
            assert_eq!(to_text(&data).as_deref(), Some(shown));
        };
        check(RecordType::A, "192.0.2.1", "192.0.2.1");
        check(RecordType::AAAA, "2001:DB8:0::1", "2001:db8::1");
        check(RecordType::CNAME, "Www.example.com", "Www.example.com.");
        check(RecordType::TXT, "", "");
        check(
            RecordType::TXT,
            "v=spf1 \"x\" ü -all",
            "v=spf1 \"x\" ü -all",
        );
        let long = "ü".repeat(2000);
        check(RecordType::TXT, &long, &long);
        let RData::TXT(text) = parse(RecordType::TXT, &long).unwrap() else {
            panic!("no text")
        };
        assert!(text.txt_data.iter().all(|part| part.len() <= STRING_BYTES));
        assert!(parse(RecordType::TXT, &"x".repeat(MAX_TEXT_BYTES + 1)).is_err());
        assert!(parse(RecordType::A, "192.0.2.01").is_err());
    }
}
