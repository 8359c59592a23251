//! Dynamic updates (RFC 2136), signed (RFC 8945): the message, and what its answer means.

use crate::account::{DnsAccount, TsigAlgorithm};
use crate::dns::args::{Action, Place, Values, parse_name};
use crate::engine::Left;
use crate::fault::{Fault, Problem};
use data_encoding::{BASE64, BASE64_NOPAD};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode, UpdateMessage};
use hickory_proto::rr::rdata::tsig::{self, TsigError};
use hickory_proto::rr::{DNSClass, Name, Record, RecordType, TSigVerifier, TSigner};
use zeroize::Zeroizing;

/// How far the clocks of both sides may be apart, in seconds (RFC 8945, section 10).
const FUDGE: u16 = 300;

/// Who may write, and what is written to.
#[derive(Clone)]
pub(crate) struct Authority {
    pub(crate) zone: Name,
    signer: Option<TSigner>,
}

impl Authority {
    /// What the account says about updates; none if it does not allow any.
    pub(crate) fn of(account: &DnsAccount) -> Result<Option<Self>, String> {
        let signer = match (&account.key, &account.secret) {
            (Some(key), Some(secret)) => Some(signer(key, secret.expose(), account.algorithm)?),
            _ => None,
        };
        match &account.zone {
            Some(zone) if account.server.is_some() && (signer.is_some() || account.unsigned) => {
                Ok(Some(Self {
                    zone: parse_name(zone)?,
                    signer,
                }))
            }
            _ => Ok(None),
        }
    }
}

fn signer(key: &str, secret: &str, algorithm: TsigAlgorithm) -> Result<TSigner, String> {
    let secret = secret.trim();
    let bytes = BASE64
        .decode(secret.as_bytes())
        .or_else(|_| BASE64_NOPAD.decode(secret.as_bytes()))
        .map_err(|_| "the secret is not base64".to_owned())?;
    let bytes = Zeroizing::new(bytes);
    let algorithm = match algorithm {
        TsigAlgorithm::HmacSha256 => tsig::TsigAlgorithm::HmacSha256,
        TsigAlgorithm::HmacSha512 => tsig::TsigAlgorithm::HmacSha512,
    };
    TSigner::new(bytes.to_vec(), algorithm, parse_name(key)?, FUDGE)
        .map_err(|error| error.to_string())
}

/// A message ready to be sent.
pub(crate) struct Signed {
    pub(crate) bytes: Vec<u8>,
    id: u16,
    verifier: Option<TSigVerifier>,
}

/// An update of one record set, whole or not at all. `now` is in seconds since 1970.
pub(crate) fn message(
    place: &Place,
    action: &Action,
    authority: &Authority,
    now: u64,
) -> Result<Signed, Problem> {
    let mut message = empty(authority);
    let bare = |class| {
        let mut record = Record::update0(place.name.clone(), 0, place.kind);
        record.dns_class = class;
        record.into_record_of_rdata()
    };
    let add = |message: &mut Message, values: &Values| {
        message.add_updates(
            values
                .data
                .iter()
                .map(|data| Record::from_rdata(place.name.clone(), values.ttl, data.clone())),
        );
    };
    match action {
        Action::Read => {}
        Action::Create(values) => {
            message.add_pre_requisite(bare(DNSClass::NONE));
            add(&mut message, values);
        }
        Action::Replace(values) => {
            message.add_update(bare(DNSClass::ANY));
            add(&mut message, values);
        }
        Action::Delete => message.add_update(bare(DNSClass::ANY)),
    }
    sign(message, authority, now)
}

/// An update that changes nothing, to try the key with.
pub(crate) fn trial(authority: &Authority, now: u64) -> Result<Signed, Problem> {
    let mut message = empty(authority);
    // The zone has a SOA record, always.
    let mut record = Record::update0(authority.zone.clone(), 0, RecordType::SOA);
    record.dns_class = DNSClass::ANY;
    message.add_pre_requisite(record.into_record_of_rdata());
    sign(message, authority, now)
}

fn empty(authority: &Authority) -> Message {
    let mut zone = Query::new();
    zone.set_name(authority.zone.clone())
        .set_query_class(DNSClass::IN)
        .set_query_type(RecordType::SOA);
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    message.add_zone(zone);
    message
}

fn sign(mut message: Message, authority: &Authority, now: u64) -> Result<Signed, Problem> {
    let bad = |error: &dyn std::fmt::Display| {
        Problem::bad_arguments(format!("the update cannot be written: {error}"))
    };
    let verifier = match &authority.signer {
        None => None,
        Some(signer) => message.finalize(signer, now).map_err(|error| bad(&error))?,
    };
    Ok(Signed {
        bytes: message.to_vec().map_err(|error| bad(&error))?,
        id: message.id,
        verifier,
    })
}

impl Signed {
    /// What the server's answer says. An answer that nobody signed says nothing, with one exception: that it does not
    /// know the key or finds the signature wrong, a server can only say unsigned.
    pub(crate) fn judge(&mut self, answer: &[u8], server: &str, left: &Left) -> Result<(), Fault> {
        let unusable = |what: &str| {
            left.fault(Problem::new(
                "unusable answer",
                format!("{server} gave an answer that {what}"),
            ))
        };
        let message = Message::from_vec(answer)
            .map_err(|error| unusable(&format!("cannot be read: {error}")))?;
        if message.id != self.id
            || message.message_type != MessageType::Response
            || message.op_code != OpCode::Update
        {
            return Err(unusable("is not one to this update"));
        }
        let code = message.response_code;
        let said = message
            .signature()
            .and_then(|signature| signature.data.error);
        if let Some(verifier) = &mut self.verifier
            && let Err(error) = verifier.verify(answer)
        {
            let about_key = matches!(said, Some(TsigError::BadKey | TsigError::BadSig));
            if code != ResponseCode::NotAuth || !about_key {
                return Err(unusable(&format!("is not signed as it must be: {error}")));
            }
        }
        judge_code(code, said.as_ref(), server)
    }
}

/// What a code means for an update: SERVFAIL undoes all of it (RFC 2136, section 3.4), every other error is found before
/// anything is changed.
fn judge_code(code: ResponseCode, said: Option<&TsigError>, server: &str) -> Result<(), Fault> {
    let because = match said {
        Some(TsigError::BadKey) => " (BADKEY: it does not know this key)",
        Some(TsigError::BadSig) => " (BADSIG: it has another secret for this key)",
        Some(TsigError::BadTime) => " (BADTIME: its clock and this one are too far apart)",
        _ => "",
    };
    match code {
        ResponseCode::NoError => Ok(()),
        ResponseCode::ServFail => Err(Fault::NotDone(status(code, server, because), None)),
        _ => Err(Fault::Failed(status(code, server, because))),
    }
}

/// The problem of an answer with this code.
pub(crate) fn status(code: ResponseCode, server: &str, because: &str) -> Problem {
    let name = mnemonic(code);
    Problem::new(
        "dns status",
        format!("{server} answered {name}{because}: {code}"),
    )
    .with("code", name)
}

/// The name of a code, as DNS tools print it.
fn mnemonic(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR",
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        ResponseCode::YXDomain => "YXDOMAIN",
        ResponseCode::YXRRSet => "YXRRSET",
        ResponseCode::NXRRSet => "NXRRSET",
        ResponseCode::NotAuth => "NOTAUTH",
        ResponseCode::NotZone => "NOTZONE",
        other => return format!("{other:?}").to_uppercase(),
    }
    .to_owned()
}
