//! `/msg/send`: mail by SMTP.
//!
//! A mail is sent when its last line has left, the one with a single dot; until then the server may not deliver it
//! (RFC 5321, section 4.2.5). The connection watches for that line. All recipients get it, or none does.

mod args;
mod line;
mod message;
mod session;

use crate::account::{Account, SmtpAccount};
use crate::body;
use crate::engine::{Engine, Left, Patience};
use crate::fault::{Fault, Probe, Problem};
use crate::request::Request;
use crate::{AccountError, Kind, Provider};
use ipvm_ipld::Ipld;
use ipvm_ucan::Command;
use ipvm_workflow::Class;
use session::Session;
use std::collections::BTreeMap;
use std::sync::Arc;

const SEND: &str = "/msg/send";

/// Sends mails.
pub(crate) struct Smtp {
    engine: Arc<Engine>,
}

impl Smtp {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

/// Addresses that an account may send as, and a login that can be sent.
pub(crate) fn check_account(account: &SmtpAccount) -> Result<(), AccountError> {
    let refuse = |field, what| Err(AccountError::Field { field, what });
    for entry in &account.from {
        if let Err(what) = args::parse_address(entry) {
            return refuse("from", format!("cannot be used: {what}"));
        }
    }
    let texts = [
        account.user.as_deref(),
        account.secret.as_ref().map(|s| s.expose()),
    ];
    if texts
        .iter()
        .flatten()
        .any(|text| text.contains(char::is_control))
    {
        return refuse(
            "user",
            "or its secret has control characters; a line end at its end, perhaps".to_owned(),
        );
    }
    Ok(())
}

impl Provider for Smtp {
    fn class(&self, command: &Command, account: &Account) -> Option<Class> {
        let offered = command.as_str() == SEND && account.kind() == Kind::Smtp;
        offered.then_some(Class::Mutation)
    }

    fn perform(&self, request: &Request<'_>) -> Result<Ipld, Fault> {
        if request.command.as_str() != SEND {
            return Err(Fault::Refused(Problem::not_offered(request.command)));
        }
        let patience = Patience::of(request);
        let account = account_of(request.account).map_err(Fault::Refused)?;
        let mail = args::decode(request.args).map_err(Fault::Refused)?;
        args::permit_from(account, &mail.from).map_err(Fault::Refused)?;
        let body = message::text(body::encode(&mail.body, request.content)?.bytes)?;
        let bytes = message::build(&mail, body, request.task)?;
        let recipients = mail.recipients();
        let left = Left::default();
        let answer = self.engine.run(&patience, &left, async {
            Session::open(&self.engine, account, &left)
                .await?
                .send(&mail.from, &recipients, &bytes, request.leaving)
                .await
        })?;
        let accepted = recipients
            .iter()
            .map(|address| Ipld::String(address.to_string()));
        Ok(Ipld::Map(BTreeMap::from([
            (
                "id".to_owned(),
                Ipld::String(message::message_id(request.task)),
            ),
            ("accepted".to_owned(), Ipld::List(accepted.collect())),
            ("answer".to_owned(), Ipld::String(answer)),
        ])))
    }

    fn probe(&self, request: &Request<'_>) -> Result<Probe, Fault> {
        account_of(request.account).map_err(Fault::Refused)?;
        Ok(Probe::Unknown)
    }

    fn test(&self, account: &Account) -> Result<String, Problem> {
        account
            .check()
            .map_err(|error| Problem::new("bad account", error.to_string()))?;
        let account = account_of(account)?;
        let left = Left::default();
        let encrypted = self.engine.test(async {
            let opened = async {
                let session = Session::open(&self.engine, account, &left).await?;
                let encrypted = session.encrypted;
                session.close().await;
                Ok::<_, Fault>(encrypted)
            };
            opened.await.map_err(|fault| match fault.problem() {
                Some(problem) => problem.clone(),
                None => Problem::new("cancelled", "cancelled"),
            })
        })?;
        let how = if encrypted {
            "encrypted"
        } else {
            "not encrypted"
        };
        let who = match &account.user {
            Some(user) => format!("the login of {user} is accepted"),
            None => "no login is set".to_owned(),
        };
        Ok(format!(
            "{}:{} answers, {how}; {who}; nothing was sent",
            account.server, account.port
        ))
    }
}

fn account_of(account: &Account) -> Result<&SmtpAccount, Problem> {
    match account {
        Account::Smtp(account) => Ok(account),
        other => Err(Problem::wrong_account(Kind::Smtp, other.kind())),
    }
}
