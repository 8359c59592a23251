//! Asking for an effect as the node does.

use ipvm_effects::{
    Account, Content, Effects, Fault, HttpAccount, Limits, NoContent, Probe, Problem, Request,
    provider_for,
};
use ipvm_ipld::{Cid, Ipld, Limits as JsonLimits, cid_of, codec, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

/// One for all tests, as a node has one for all its workers.
static EFFECTS: LazyLock<Effects> = LazyLock::new(Effects::new);

/// The task that all requests of the tests are for.
pub(crate) fn task() -> Cid {
    cid_of(codec::DAG_CBOR, b"a task")
}

/// One request; what a test does not say is ordinary.
#[derive(Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) command: &'a str,
    pub(crate) args: BTreeMap<String, Ipld>,
    pub(crate) account: Account,
    pub(crate) limits: Limits,
    pub(crate) content: &'a dyn Content,
    pub(crate) cancel: &'a (dyn Fn() -> bool + Sync),
    pub(crate) leaving: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Ask<'a> {
    pub(crate) fn new(command: &'a str, args: &str, account: Account) -> Self {
        let Ipld::Map(args) = json::from_str(args, JsonLimits::default()).unwrap() else {
            panic!("arguments are a map")
        };
        Self {
            command,
            args,
            account,
            limits: Limits {
                time: Duration::from_secs(20),
                output: 1 << 20,
            },
            content: &NoContent,
            cancel: &|| false,
            leaving: &|| true,
        }
    }

    fn with<T>(&self, work: impl FnOnce(&Effects, ipvm_effects::Kind, &Request<'_>) -> T) -> T {
        let command = self.command.parse().unwrap();
        let kind = provider_for(&command, &self.args).unwrap_or(self.account.kind());
        work(
            &EFFECTS,
            kind,
            &Request {
                task: &task(),
                command: &command,
                args: &self.args,
                account: &self.account,
                limits: self.limits,
                content: self.content,
                cancel: self.cancel,
                leaving: self.leaving,
            },
        )
    }

    pub(crate) fn perform(&self) -> Result<Ipld, Fault> {
        self.with(|effects, kind, request| effects.provider(kind).perform(request))
    }

    pub(crate) fn probe(&self) -> Result<Probe, Fault> {
        self.with(|effects, kind, request| effects.provider(kind).probe(request))
    }
}

/// An account that may reach this machine.
pub(crate) fn local() -> HttpAccount {
    HttpAccount {
        allow_private: vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
        ..HttpAccount::default()
    }
}

/// Asks at this machine, without credentials.
pub(crate) fn http(command: &str, args: &str) -> Result<Ipld, Fault> {
    Ask::new(command, args, Account::Http(local())).perform()
}

/// Which fault it was, and its reason.
pub(crate) fn words(result: Result<Ipld, Fault>) -> (&'static str, &'static str) {
    let fault = result.expect_err("it succeeded");
    let reason = fault.problem().map_or("", |problem| problem.reason);
    let kind = match fault {
        Fault::Refused(_) => "refused",
        Fault::NotDone(..) => "not done",
        Fault::Unknown(_) => "unknown",
        Fault::Failed(_) => "failed",
        Fault::Cancelled => "cancelled",
    };
    (kind, reason)
}

pub(crate) fn problem(result: Result<Ipld, Fault>) -> Problem {
    result.expect_err("it succeeded").problem().unwrap().clone()
}

/// The entry of a map.
pub(crate) fn at<'a>(value: &'a Ipld, key: &str) -> &'a Ipld {
    let Ipld::Map(map) = value else {
        panic!("{value:?} is no map")
    };
    map.get(key)
        .unwrap_or_else(|| panic!("{key} not in {map:?}"))
}
