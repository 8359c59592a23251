//! DNS updates at a server that others wrote and many run: Knot DNS.

use crate::ask::{Ask, at, problem, words};
use crate::dns::account;
use crate::dns_server::SECRET;
use crate::raw::closed_port;
use ipvm_effects::{Account, DnsAccount, Effects, Kind, Probe, Secret, TsigAlgorithm};
use ipvm_ipld::Ipld;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

struct Knot {
    port: u16,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Knot {
    fn start(algorithm: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let port = closed_port();
        std::fs::create_dir(folder.path().join("db")).unwrap();
        std::fs::write(
            folder.path().join("example.test.zone"),
            "$ORIGIN example.test.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\nmx MX 5 ns\n",
        )
        .unwrap();
        let conf = folder.path().join("knot.conf");
        std::fs::write(
            &conf,
            format!(
                "server:\n  listen: 127.0.0.1@{port}\n  rundir: {at}\n  identity: \"\"\n  version: \"\"\n\
                 log:\n  - target: stdout\n    any: info\n\
                 database:\n  storage: {at}/db\n\
                 key:\n  - id: key.test\n    algorithm: {algorithm}\n    secret: {SECRET}\n\
                 acl:\n  - id: may\n    action: update\n    key: key.test\n\
                 zone:\n  - domain: example.test\n    storage: {at}\n    file: example.test.zone\n    acl: may\n"
            ),
        )
        .unwrap();
        let mut child = Command::new("knotd")
            .arg("-c")
            .arg(&conf)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("knotd, of the package knot");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let started = lines
            .by_ref()
            .map_while(Result::ok)
            .inspect(|line| eprintln!("{line}"))
            .any(|line| line.contains("server started"));
        assert!(started, "knotd did not start");
        // It goes on talking, and would stop for want of somebody who reads it.
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .for_each(|line| eprintln!("{line}"))
        });
        Self {
            port,
            child,
            _folder: folder,
        }
    }
}

impl Drop for Knot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is right by this crate's own server need not be right.
#[test]
#[ignore = "needs knotd, of Debian's package knot; .ci/dns installs it and runs this"]
fn knot_takes_updates_and_gives_them_back() {
    for (name, algorithm) in [
        ("hmac-sha256", TsigAlgorithm::HmacSha256),
        ("hmac-sha512", TsigAlgorithm::HmacSha512),
    ] {
        let knot = Knot::start(name);
        let with = || DnsAccount {
            algorithm,
            ..account(knot.port)
        };
        let ask = |account, command, uri: &str, rest: &str| {
            Ask::new(
                command,
                &format!(r#"{{"uri": "dns:{uri}"{rest}}}"#),
                Account::Dns(account),
            )
        };
        let read = |uri: &str| {
            let result = ask(with(), "/crud/read", uri, "").perform().unwrap();
            let Ipld::List(records) = at(&result, "records").clone() else {
                panic!("{result:?}")
            };
            records
        };
        let test = |account| {
            Effects::new()
                .provider(Kind::Dns)
                .test(&Account::Dns(account))
        };
        assert!(test(with()).unwrap().contains("takes updates"));
        assert_eq!(
            read("mx.example.test?TYPE=MX"),
            ["5 ns.example.test.".into()]
        );

        let long = "x".repeat(600);
        let two = format!(r#", "value": ["one", "{long}"], "ttl": 30"#);
        let place = "report.example.test?TYPE=TXT";
        let create = ask(with(), "/crud/create", place, &two);
        assert_eq!(create.probe(), Ok(Probe::NotDone));
        create.perform().unwrap();
        assert!(matches!(create.probe(), Ok(Probe::Done(_))));
        assert_eq!(read(place), ["one".into(), long.into()]);
        let again = create.perform();
        assert_eq!(problem(again).details["code"], "YXRRSET".into());
        ask(with(), "/crud/update", place, r#", "value": "größe""#)
            .perform()
            .unwrap();
        assert_eq!(read(place), ["größe".into()]);
        assert_eq!(create.probe(), Ok(Probe::Unknown));
        for (kind, value) in [
            ("A", "192.0.2.1"),
            ("AAAA", "2001:db8::1"),
            ("CNAME", "ns.example.test."),
        ] {
            let place = format!("{}.example.test?TYPE={kind}", kind.to_lowercase());
            ask(
                with(),
                "/crud/update",
                &place,
                &format!(r#", "value": "{value}""#),
            )
            .perform()
            .unwrap();
            assert_eq!(read(&place), [value.into()]);
        }
        ask(with(), "/crud/delete", place, "").perform().unwrap();
        let gone = ask(with(), "/crud/read", place, "").perform();
        assert_eq!(problem(gone).details["code"], "NXDOMAIN".into());

        let wrong = DnsAccount {
            secret: Some(Secret::new("b3RoZXI=")),
            ..with()
        };
        let refused = ask(wrong.clone(), "/crud/delete", "ns.example.test", "").perform();
        assert_eq!(words(refused.clone()), ("failed", "dns status"));
        assert!(problem(refused).message.contains("BADSIG"));
        assert!(test(wrong).unwrap_err().message.contains("BADSIG"));
        let unknown = DnsAccount {
            key: Some("nobody".into()),
            ..with()
        };
        let refused = ask(unknown, "/crud/delete", "ns.example.test", "").perform();
        assert!(problem(refused).message.contains("BADKEY"));
        let unsigned = DnsAccount {
            key: None,
            secret: None,
            unsigned: true,
            ..with()
        };
        let refused = ask(unsigned, "/crud/delete", "ns.example.test", "").perform();
        assert_eq!(words(refused), ("failed", "dns status"));
        assert_eq!(read("ns.example.test"), ["127.0.0.1".into()]);
    }
}
