//! A DNS server for one zone (RFC 1035, 2136, 8945), small, over TCP and UDP, that goes wrong where it is told to.

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode, UpdateMessage};
use hickory_proto::rr::rdata::tsig::{TSIG, TsigAlgorithm, TsigError};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, TSigResponseContext, TSigner};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is done with an update instead of what is right.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// This code is answered, signed, and nothing is changed.
    Code(ResponseCode),
    /// The connection is closed without an answer, and the update is done.
    Close,
    /// Nothing is answered, until the client has gone; the update is done.
    Silence,
    /// The answer has no signature.
    Unsigned,
    /// The answer is signed by somebody else.
    OtherKey,
    /// The answer is to another question.
    OtherId,
    /// The answer is no message.
    Nonsense,
    /// The answer says that the key is not known, as it is said: unsigned.
    BadKey,
}

#[derive(Default)]
struct State {
    records: BTreeMap<(String, RecordType), Vec<Record>>,
    updates: usize,
    queries: usize,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

pub(crate) const SECRET: &str = "c2VjcmV0IG9mIHRoZSB0ZXN0cw==";

pub(crate) fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).unwrap();
    name.set_fqdn(true);
    name
}

fn signer(key: &str, secret: &str) -> TSigner {
    let secret = data_encoding::BASE64.decode(secret.as_bytes()).unwrap();
    TSigner::new(secret, TsigAlgorithm::HmacSha256, name(key), 300).unwrap()
}

impl Server {
    pub(crate) fn start(fault: Option<Fault>) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        let udp = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let wrong = fault.clone();
        std::thread::spawn(move || {
            for stream in tcp.incoming() {
                serve(&mut stream.unwrap(), &shared, wrong.as_ref());
            }
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, peer)) = udp.recv_from(&mut buffer) {
                let query = Message::from_vec(&buffer[..length]).unwrap();
                if !matches!(fault, Some(Fault::Silence)) {
                    let answer = answer_query(&query, &mut shared.lock().unwrap(), fault.as_ref());
                    udp.send_to(&answer.to_vec().unwrap(), peer).unwrap();
                }
            }
        });
        Self { port, state }
    }

    /// Puts a record there.
    pub(crate) fn put(&self, at: &str, ttl: u32, data: RData) {
        let key = (name(at).to_lowercase().to_ascii(), data.record_type());
        let record = Record::from_rdata(name(at), ttl, data);
        let mut state = self.state.lock().unwrap();
        state.records.entry(key).or_default().push(record);
    }

    /// How many updates arrived.
    pub(crate) fn updates(&self) -> usize {
        self.state.lock().unwrap().updates
    }

    /// How many questions arrived.
    pub(crate) fn queries(&self) -> usize {
        self.state.lock().unwrap().queries
    }

    /// The data of a record set.
    pub(crate) fn data(&self, at: &str, kind: RecordType) -> Vec<RData> {
        let key = (name(at).to_lowercase().to_ascii(), kind);
        let state = self.state.lock().unwrap();
        let records = state.records.get(&key);
        records
            .into_iter()
            .flatten()
            .map(|record| record.data.clone())
            .collect()
    }
}

fn serve(stream: &mut TcpStream, state: &Mutex<State>, fault: Option<&Fault>) {
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut bytes).unwrap();
        let message = Message::from_vec(&bytes).unwrap();
        let answer = if message.op_code == OpCode::Update {
            match answer_update(&bytes, &message, &mut state.lock().unwrap(), fault) {
                Some(answer) => answer,
                None if matches!(fault, Some(Fault::Silence)) => {
                    let _ = stream.read_to_end(&mut Vec::new());
                    return;
                }
                None => return,
            }
        } else {
            answer_query(&message, &mut state.lock().unwrap(), fault)
                .to_vec()
                .unwrap()
        };
        let mut frame = u16::try_from(answer.len()).unwrap().to_be_bytes().to_vec();
        frame.extend(answer);
        let _ = stream.write_all(&frame);
    }
}

fn response_to(request: &Message, code: ResponseCode) -> Message {
    let mut response = Message::new(request.id, MessageType::Response, request.op_code);
    response.metadata.response_code = code;
    response.metadata.authoritative = true;
    response.add_queries(request.queries.clone());
    response
}

fn answer_query(query: &Message, state: &mut State, fault: Option<&Fault>) -> Message {
    state.queries += 1;
    if let Some(Fault::Code(code)) = fault {
        return response_to(query, *code);
    }
    let asked = &query.queries[0];
    let at = asked.name().to_lowercase().to_ascii();
    let known = state.records.keys().any(|(name, _)| *name == at);
    let found = state.records.get(&(at, asked.query_type()));
    let code = if known {
        ResponseCode::NoError
    } else {
        ResponseCode::NXDomain
    };
    let mut response = response_to(query, code);
    response.add_answers(found.into_iter().flatten().cloned());
    response
}

fn answer_update(
    bytes: &[u8],
    update: &Message,
    state: &mut State,
    fault: Option<&Fault>,
) -> Option<Vec<u8>> {
    state.updates += 1;
    let own = signer("key.test", SECRET);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let unsigned = |error| {
        let mut response = response_to(update, ResponseCode::NotAuth);
        let asked = update.signature().unwrap();
        let mut tsig = TSIG::new(
            asked.data.algorithm.clone(),
            now,
            300,
            Vec::new(),
            update.id,
            None,
            Vec::new(),
        );
        tsig.error = Some(error);
        let mut record = Record::from_rdata(asked.name.clone(), 0, tsig);
        record.dns_class = DNSClass::ANY;
        response.set_signature(Box::new(record));
        response.to_vec().unwrap()
    };
    let mac = match own.verify_message_byte(bytes, None, true) {
        Ok((mac, _, valid)) if valid.contains(&now) => mac,
        // An account that is let in without a signature.
        Err(_) if update.signature().is_none() => {
            let code = apply(update, state);
            return Some(response_to(update, code).to_vec().unwrap());
        }
        _ => return Some(unsigned(TsigError::BadSig)),
    };
    let code = match fault {
        Some(Fault::Code(code)) => *code,
        Some(Fault::BadKey) => return Some(unsigned(TsigError::BadKey)),
        _ => apply(update, state),
    };
    let mut response = response_to(update, code);
    match fault {
        Some(Fault::Close | Fault::Silence) => return None,
        Some(Fault::Nonsense) => return Some(b"nonsense".to_vec()),
        Some(Fault::Unsigned) => return Some(response.to_vec().unwrap()),
        Some(Fault::OtherId) => response.metadata.id = update.id ^ 1,
        _ => {}
    }
    let by = if matches!(fault, Some(Fault::OtherKey)) {
        signer("key.test", "b3RoZXI=")
    } else {
        own
    };
    let context = TSigResponseContext::new(response.id, now, by, mac, None);
    let signature = context.sign(&response.to_vec().unwrap()).unwrap();
    response.set_signature(signature);
    Some(response.to_vec().unwrap())
}

/// RFC 2136, sections 3.2 and 3.4, as far as record sets go.
fn apply(update: &Message, state: &mut State) -> ResponseCode {
    let zone = update.zones()[0].name().clone();
    if zone != name("example.test") {
        return ResponseCode::NotAuth;
    }
    let key = |record: &Record| (record.name.to_lowercase().to_ascii(), record.record_type());
    for wanted in update.prerequisites() {
        let there =
            wanted.record_type() == RecordType::SOA || state.records.contains_key(&key(wanted));
        match (wanted.dns_class, there) {
            (DNSClass::NONE, true) => return ResponseCode::YXRRSet,
            (DNSClass::ANY, false) => return ResponseCode::NXRRSet,
            _ => {}
        }
    }
    for change in update.updates() {
        if !zone.zone_of(&change.name) {
            return ResponseCode::NotZone;
        }
        match change.dns_class {
            DNSClass::ANY => {
                state.records.remove(&key(change));
            }
            _ => state
                .records
                .entry(key(change))
                .or_default()
                .push(change.clone()),
        }
    }
    ResponseCode::NoError
}
