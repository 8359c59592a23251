//! What is asked before anything leaves that the far side may act on.
//!
//! Without these: a mail or a request could be on its way while nothing on this side's disk says so, and after a crash it
//! would be sent a second time.

use crate::ask::{Ask, local};
use crate::raw::Raw;
use crate::smtp_server::{Server as MailServer, Setup};
use crate::{dns, dns_server, smtp};
use hickory_proto::rr::RecordType;
use ipvm_effects::{Account, Fault};
use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Longest wait for a server to say what it saw.
const PATIENCE: Duration = Duration::from_secs(30);

/// Performs, and holds it back when it is about to leave.
fn held_back(ask: &Ask<'_>) {
    let asked = AtomicUsize::new(0);
    let ask = Ask {
        leaving: &|| {
            asked.fetch_add(1, Ordering::SeqCst);
            false
        },
        ..ask.clone()
    };
    assert_eq!(ask.perform(), Err(Fault::Cancelled));
    assert_eq!(asked.into_inner(), 1);
}

/// Performs, and looks at the far side when it is about to leave; how often that was.
fn let_go(ask: &Ask<'_>, look: &(dyn Fn() + Sync)) -> usize {
    let asked = AtomicUsize::new(0);
    let ask = Ask {
        leaving: &|| {
            look();
            asked.fetch_add(1, Ordering::SeqCst);
            true
        },
        ..ask.clone()
    };
    ask.perform().unwrap();
    asked.into_inner()
}

#[test]
fn a_mail_is_announced_when_the_server_waits_for_it() {
    let server = MailServer::start(Setup::default());
    let ask = smtp::send(smtp::account(server.port), &smtp::mail(r#", "body": "x""#));
    held_back(&ask);
    let heard = server.heard();
    assert_eq!(heard.last().map(String::as_str), Some("DATA"), "{heard:?}");
    assert!(server.mails().is_empty(), "it was held back");
    let mails = server.taken();
    let nothing_yet = || assert!(mails.lock().unwrap().is_empty());
    assert_eq!(let_go(&ask, &nothing_yet), 1);
    assert_eq!(server.mails().len(), 1);
}

#[test]
fn no_byte_of_a_request_by_http_leaves_before() {
    let (tell, told) = channel();
    let server = Raw::start(move |mut stream| {
        let mut came = Vec::new();
        stream.read_to_end(&mut came).unwrap();
        tell.send(came).unwrap();
    });
    let args = format!(r#"{{"uri": "{}", "body": "x"}}"#, server.url("/"));
    held_back(&Ask::new("/crud/create", &args, Account::Http(local())));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), b"", "of a connection");
    assert_eq!(server.connections(), 1);
}

/// After a redirect that changes nothing, another request leaves.
#[test]
fn each_request_after_a_redirect_is_announced() {
    let answers = Mutex::new(vec![
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 307 There\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n",
    ]);
    let server = Raw::start(move |mut stream| {
        crate::raw::read_head(&mut stream);
        let answer = answers.lock().unwrap().pop().unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let args = format!(r#"{{"uri": "{}"}}"#, server.url("/"));
    let ask = Ask::new("/crud/create", &args, Account::Http(local()));
    assert_eq!(let_go(&ask, &|| ()), 2);
    assert_eq!(server.connections(), 2);
}

#[test]
fn no_byte_of_an_update_of_dns_leaves_before() {
    let server = dns_server::Server::start(None);
    let uri = "t.example.test?TYPE=TXT";
    let ask = dns::ask(server.port, "/crud/create", uri, r#", "value": "x""#);
    held_back(&ask);
    assert_eq!(server.updates(), 0);
    assert_eq!(let_go(&ask, &|| ()), 1);
    assert_eq!(server.updates(), 1);
    assert_eq!(server.data("t.example.test", RecordType::TXT).len(), 1);
}
