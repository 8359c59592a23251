//! `ipvm ucan verify`: the verdict on an invocation.

use super::io;
use crate::cli::Ucan;
use crate::context::Context;
use crate::fault::Code;
use crate::people::People;
use crate::ui::human::{clean, time};
use crate::ui::json::{self, Done, Object};
use crate::when;
use ipvm_ipld::Cid;
use ipvm_node::{Node, NodeError, TokenFile, cache_of};
use ipvm_ucan::admission::{Work, require_audience};
use ipvm_ucan::{
    Capability, Context as Circumstances, Did, DocumentCache, Refusal, Revocations, Verifier,
    verify_in,
};
use std::io::Write;

/// What is to be verified, and how.
struct Question {
    bytes: Vec<u8>,
    proofs: Vec<ipvm_ucan::Delegation>,
    at: i64,
    skew: i64,
    audience: Option<Did>,
    /// The keys of `did:web` principals: those that are given, and those that are kept.
    documents: DocumentCache,
}

pub(super) fn verify(context: &mut Context, verb: &Ucan) -> anyhow::Result<Code> {
    let Ucan::Verify {
        at,
        skew,
        audience,
        proof,
        did_document,
        json,
        file,
    } = verb
    else {
        return Ok(Code::Usage);
    };
    // It works without a home too, and makes none.
    let node = context.reader_if_any()?;
    let audience = match (audience, &node) {
        (None, _) => None,
        (Some(name), Some(node)) => Some(node.principal(name)?),
        (Some(name), None) => Some(name.parse().map_err(|error: ipvm_ucan::DidError| {
            crate::fault::Fault::usage(error.to_string(), "write a DID")
        })?),
    };
    let at = at.unwrap_or_else(when::now);
    let given = io::documents(did_document)?;
    let question = Question {
        bytes: io::read(file)?,
        proofs: io::proofs(proof)?,
        at,
        skew: *skew,
        audience,
        documents: match &node {
            Some(node) => node.documents_with(&given, at)?,
            None => cache_of(&given, at)?,
        },
    };
    let verdict = match &node {
        Some(node) => node.in_context(question.at, |known| question.verdict(known))?,
        None => question.verdict(&Circumstances::at(question.at)),
    };
    let people = node.as_ref().map(People::of).transpose()?;
    tell(context, &verdict, &people.unwrap_or_default(), *json)?;
    Ok(match verdict {
        Ok(_) => Code::Done,
        Err(_) => Code::Refused,
    })
}

impl Question {
    fn verdict(&self, known: &Circumstances<'_>) -> Result<Capability, Refusal> {
        let (invocation, pool) = TokenFile::request(&self.bytes).map_err(refusal)?;
        let known = known.skew(self.skew).resolver(&self.documents);
        let proofs = |cid: &Cid| {
            let given = self.proofs.iter().find(|one| one.cid() == *cid).cloned();
            pool.get(cid).or(given)
        };
        let capability = verify_in(&invocation, &proofs, &known)?;
        // Revocations that came along count too: whoever made the container knew of them.
        let revocations = self.revocations(&proofs, &known)?;
        if !revocations.is_empty() {
            verify_in(&invocation, &proofs, &known.revocations(&revocations))?;
        }
        if let Some(audience) = &self.audience {
            require_audience(invocation.payload(), audience, Work::Repeatable)?;
        }
        Ok(capability)
    }

    fn revocations(
        &self,
        proofs: &dyn Fn(&Cid) -> Option<ipvm_ucan::Delegation>,
        known: &Circumstances<'_>,
    ) -> Result<Revocations, Refusal> {
        let mut found = Revocations::new();
        let verifier = Verifier::new();
        for revocation in TokenFile::read(&self.bytes).map_err(refusal)?.revocations {
            // One that is not valid takes nothing back.
            if let Ok(valid) = verifier.revocation(&revocation, proofs, known) {
                let _ = found.insert(&valid);
            }
        }
        Ok(found)
    }
}

fn refusal(error: NodeError) -> Refusal {
    match error {
        NodeError::Refused(refusal) => refusal,
        other => Refusal {
            kind: ipvm_ucan::Kind::Malformed,
            link: None,
            cid: None,
            field: None,
            message: other.to_string(),
        },
    }
}

fn tell(
    context: &mut Context,
    verdict: &Result<Capability, Refusal>,
    people: &People,
    json: bool,
) -> anyhow::Result<()> {
    let out = &mut context.out;
    if json {
        json::object(out, |o| {
            o.flag("valid", verdict.is_ok())?;
            match verdict {
                Ok(_) => o.raw("error", "null")?,
                Err(refusal) => o.object("error", |o| write_refusal(o, refusal))?,
            }
            match verdict {
                Ok(capability) => o.object("capability", |o| write_capability(o, capability)),
                Err(_) => o.raw("capability", "null"),
            }
        })?;
        writeln!(out)?;
        return Ok(());
    }
    match verdict {
        Ok(capability) => writeln!(
            out,
            "valid: {}",
            clean(&people.in_text(&capability.in_words()))
        )?,
        Err(refusal) => {
            let text = people.in_text(&refusal.message);
            writeln!(out, "refused: {}: {}", refusal.kind, clean(&text))?;
        }
    }
    Ok(())
}

pub(super) fn write_refusal(o: &mut Object<'_>, refusal: &Refusal) -> Done {
    o.text("kind", refusal.kind.as_str())?;
    match refusal.link {
        Some(link) => o.number("link", link as u64)?,
        None => o.raw("link", "null")?,
    }
    o.text("message", &refusal.message)
}

fn write_capability(o: &mut Object<'_>, capability: &Capability) -> Done {
    let time = |o: &mut Object<'_>, key: &str, time: Option<i64>| match time {
        Some(time) => o.number(key, time),
        None => o.raw(key, "null"),
    };
    o.text("cmd", capability.cmd.as_str())?;
    o.text("sub", capability.sub.as_str())?;
    o.text("iss", capability.iss.as_str())?;
    o.text("aud", capability.aud.as_str())?;
    time(o, "nbf", capability.nbf)?;
    time(o, "exp", capability.exp)?;
    o.list("via", |list| {
        capability
            .via
            .iter()
            .try_for_each(|did| list.text(did.as_str()))
    })?;
    o.list("policies", |list| {
        capability
            .policies
            .iter()
            .try_for_each(|(link, cid, policy)| {
                list.object(|o| {
                    o.number("link", *link as u64)?;
                    o.text("delegation", &cid.to_string())?;
                    o.raw("policy", &ipvm_ipld::json::to_string(&policy.to_ipld()))
                })
            })
    })?;
    o.flag("pending", capability.pending)
}

/// A time for people, or that there is none.
pub(super) fn until(end: Option<i64>) -> String {
    end.map_or_else(|| "no end".to_owned(), time)
}

/// The node, to look at what it knows.
pub(super) fn state_words(
    node: &Node,
    delegation: &ipvm_ucan::Delegation,
) -> anyhow::Result<&'static str> {
    Ok(node.state_of(delegation, when::now())?.as_str())
}
