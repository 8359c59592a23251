//! Which addresses may be connected to: public ones, and private ones that are granted. Decides; asks nobody.

use crate::account::AccountError;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most entries in one list of grants.
pub(crate) const MAX_GRANTS: usize = 1024;

/// IPv4 ranges that are not the public network (IANA's registry of special-purpose addresses, and multicast).
const PRIVATE_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8), // this network; 0.0.0.0 is this machine
    (Ipv4Addr::new(10, 0, 0, 0), 8), // RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10), // carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8), // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16), // link-local, and clouds' metadata services
    (Ipv4Addr::new(172, 16, 0, 0), 12), // RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24), // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24), // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24), // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16), // RFC 1918
    (Ipv4Addr::new(198, 18, 0, 0), 15), // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24), // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4), // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4), // reserved, and broadcast
];

/// Whether an address is one of the public network. What embeds an IPv4 address is as public as that one.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !PRIVATE_V4
        .iter()
        .any(|(network, prefix)| (bits ^ network.to_bits()) >> (32 - prefix) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
    };
    match (a, b, c, d, e, f) {
        // Mapped IPv4, and the well-known prefix of NAT64 (RFC 6052).
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        // 6to4 (RFC 3056).
        (0x2002, high, low, ..) => v4(high, low),
        // Protocol assignments with Teredo among them, documentation, documentation again (RFC 9637).
        (0x2001, 0..=0x1ff, ..) | (0x2001, 0xdb8, ..) | (0x3fff, 0..=0xfff, ..) => false,
        // Global unicast; all else is loopback, local, multicast or reserved.
        _ => a & 0xe000 == 0x2000,
    }
}

/// The address that is meant: an IPv4 address in the clothes of IPv6 is that IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Private addresses that are granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grants(Vec<Grant>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Grant {
    Range(IpNet),
    /// One address and port.
    Socket(IpAddr, u16),
    /// A name, whatever it resolves to; at one port, or at all.
    Name(String, Option<u16>),
}

impl Grants {
    /// Reads what people write: `host`, `address`, `host:port`, `[v6]:port`, `range/prefix`.
    pub(crate) fn parse(entries: &[String]) -> Result<Self, AccountError> {
        if entries.len() > MAX_GRANTS {
            return Err(AccountError::Field {
                field: "allow_private",
                what: format!(
                    "has {} entries; at most {MAX_GRANTS} are accepted",
                    entries.len()
                ),
            });
        }
        entries
            .iter()
            .map(|entry| parse_grant(entry).ok_or_else(|| AccountError::Grant(entry.clone())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether this address may be connected to under this name at this port.
    pub(crate) fn allow(&self, host: &str, address: IpAddr, port: u16) -> bool {
        is_public(address) || self.grant(host, address, port)
    }

    fn grant(&self, host: &str, address: IpAddr, port: u16) -> bool {
        let address = plain(address);
        self.0.iter().any(|grant| match grant {
            Grant::Range(range) => range.contains(&address),
            Grant::Socket(granted, at) => *granted == address && *at == port,
            Grant::Name(name, at) => {
                name.eq_ignore_ascii_case(host.trim_end_matches('.'))
                    && at.is_none_or(|at| at == port)
            }
        })
    }
}

fn parse_grant(entry: &str) -> Option<Grant> {
    if entry.contains('/') {
        return entry
            .parse::<IpNet>()
            .ok()
            .map(|range| Grant::Range(range.trunc()));
    }
    let (host, port) = split_host(entry)?;
    Some(match (host.parse::<IpAddr>(), port) {
        (Ok(address), None) => Grant::Range(plain(address).into()),
        (Ok(address), Some(port)) => Grant::Socket(plain(address), port),
        (Err(_), port) => Grant::Name(host.to_owned(), port),
    })
}

/// Splits `host`, `host:port`, `address`, `[v6]` and `[v6]:port`. None if it is nothing of the kind.
pub(crate) fn split_host(text: &str) -> Option<(&str, Option<u16>)> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some((text, None));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return None,
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let named = host.parse::<IpAddr>().is_ok() || is_name(host);
    let port = match port {
        None => None,
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => Some(port.parse().ok()?),
        Some(_) => return None,
    };
    named.then_some((host, port))
}

/// Whether a text can be the name of a host: labels of letters, digits, `-` and `_`.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Without it a workflow could read what only this machine may: metadata services, local databases, routers.
    #[test]
    fn private_addresses_are_known_as_such() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "169.254.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2002:c0a8:101::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ] {
            assert!(!is_public(address(text)), "{text} taken for public");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(address(text)), "{text} taken for private");
        }
    }

    /// A grant that reaches further than it says opens what nobody meant to open.
    #[test]
    fn a_grant_reaches_as_far_as_it_says() {
        let check = |grant: &str, host: &str, ip: &str, port: u16| {
            Grants::parse(&[grant.to_owned()])
                .unwrap()
                .allow(host, address(ip), port)
        };
        assert!(check("127.0.0.1", "x", "127.0.0.1", 80));
        assert!(check("127.0.0.1", "x", "::ffff:127.0.0.1", 80));
        assert!(!check("127.0.0.1", "x", "127.0.0.2", 80));
        assert!(check("127.0.0.1:8080", "x", "127.0.0.1", 8080));
        assert!(!check("127.0.0.1:8080", "x", "127.0.0.1", 80));
        assert!(check("10.0.0.0/8", "x", "10.9.9.9", 1));
        assert!(check("10.1.2.3/8", "x", "10.9.9.9", 1));
        assert!(!check("10.0.0.0/8", "x", "192.168.0.1", 1));
        assert!(check("[::1]:53", "x", "::1", 53));
        assert!(!check("[::1]:53", "x", "::1", 54));
        assert!(check("::1", "x", "::1", 54));
        assert!(check("fd00::/8", "x", "fd00::5", 54));
        assert!(check("Printer.lan", "printer.LAN.", "192.168.0.9", 631));
        assert!(!check("printer.lan", "other.lan", "192.168.0.9", 631));
        assert!(check("printer.lan:631", "printer.lan", "192.168.0.9", 631));
        assert!(!check("printer.lan:631", "printer.lan", "192.168.0.9", 80));
        assert!(Grants::default().allow("x", address("8.8.8.8"), 80));
    }

    /// A misspelt grant must be named when it is written, not silently grant nothing.
    #[test]
    fn what_is_no_grant_is_refused() {
        for entry in [
            "",
            "a b",
            "http://x",
            "10.0.0.0/33",
            "[::1",
            "host:",
            "host:99999",
            "host:+1",
            "a..b",
            "[host]:1",
        ] {
            assert_eq!(
                Grants::parse(&[entry.to_owned()]),
                Err(AccountError::Grant(entry.to_owned())),
                "{entry:?}"
            );
        }
    }
}
