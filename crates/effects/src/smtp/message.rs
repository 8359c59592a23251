//! The mail itself: headers and body as they are sent.

use crate::body::MAX_BODY_BYTES;
use crate::fault::{Fault, Problem};
use crate::smtp::args::Mail;
use ipvm_ipld::Cid;
use lettre::message::header::{ContentType, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::{Address, Message};

/// The mail's name, everywhere and for ever. The same task gives the same.
pub(crate) fn message_id(task: &Cid) -> String {
    format!("<{task}@ipvm>")
}

/// Text from bytes, with one kind of line end, so that no server finds an end where there is none.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, Fault> {
    let text = String::from_utf8(bytes).map_err(|_| {
        Fault::bad_arguments("the body is not UTF-8 text; mails are text".to_owned())
    })?;
    if text.len() as u64 > MAX_BODY_BYTES {
        return Err(Fault::Refused(Problem::new(
            "too large",
            format!(
                "the body has {} bytes; at most {MAX_BODY_BYTES} are sent",
                text.len()
            ),
        )));
    }
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// The mail as it is sent: UTF-8 text, encoded so that any server passes it on.
pub(crate) fn build(mail: &Mail, body: String, task: &Cid) -> Result<Vec<u8>, Fault> {
    let mailbox = |address: &Address| Mailbox::new(None, address.clone());
    let mut builder = Message::builder()
        .from(mailbox(&mail.from))
        .subject(mail.subject.clone())
        .message_id(Some(message_id(task)))
        .date_now();
    for address in &mail.to {
        builder = builder.to(mailbox(address));
    }
    for address in &mail.cc {
        builder = builder.cc(mailbox(address));
    }
    for (name, value) in &mail.headers {
        builder = builder.raw_header(HeaderValue::new(name.clone(), value.clone()));
    }
    let part = SinglePart::builder()
        .header(ContentType::TEXT_PLAIN)
        .body(body);
    let message = builder
        .singlepart(part)
        .map_err(|error| Fault::bad_arguments(format!("the mail cannot be written: {error}")))?;
    Ok(message.formatted())
}
