//! What a task may use and how its result is checked: per step, with defaults for all (wire-formats, `Config`).

use crate::wire::{self, WireError};
use ipvm_ipld::Ipld;
use ipvm_ipld::fields::{self, Fields};
use ipvm_ucan::Did;

/// Fuel of a task without another limit: units of the engine, roughly one per Wasm instruction.
pub const DEFAULT_FUEL: u64 = 10_000_000_000;
/// Memory of a task without another limit, in bytes.
pub const DEFAULT_MEMORY: u64 = 256 << 20;
/// Disk of a task without another limit, in bytes: functions see none.
pub const DEFAULT_DISK: u64 = 0;
/// Time of a task without another limit, in milliseconds.
pub const DEFAULT_TIME: u64 = 60_000;
/// Largest result of a task, in bytes.
pub const DEFAULT_OUTPUT: u64 = 64 << 20;
/// Most that a task may print, in bytes.
pub const DEFAULT_LOG: u64 = 1 << 20;
/// Further attempts at an effect without another number. A function is not tried again: it would end the same way.
pub const DEFAULT_RETRY: u64 = 3;
/// Most further attempts.
pub const MAX_RETRY: u64 = 100;
/// Most agents that a consensus names.
pub const MAX_AGENTS: usize = 256;

/// Configuration of a task or of a whole workflow. What is absent is inherited or has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Whether arguments and result are kept from others; absent is a soft no that a secret input overrules.
    pub secret: Option<bool>,
    /// What makes a result acceptable.
    pub check: Option<Check>,
    /// Most fuel.
    pub fuel: Option<u64>,
    /// Most memory, in bytes.
    pub memory: Option<u64>,
    /// Most disk, in bytes.
    pub disk: Option<u64>,
    /// Most time, in milliseconds.
    pub time: Option<u64>,
    /// Further attempts after one that did not end in a result.
    pub retry: Option<u64>,
}

/// What makes a result acceptable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// The word of the assigned executor, or of an issuer that this node trusts.
    #[default]
    Attestation,
    /// The word of one agent.
    Oracle(Did),
    /// Accepted after so many confirmations unless the referee is called and decides otherwise.
    Optimistic {
        /// How many.
        confirmations: u64,
        /// Who decides a dispute.
        referee: Did,
    },
    /// Equal results of so many of these agents.
    Consensus {
        /// Who may vote.
        agents: Vec<Did>,
        /// How many have to agree: at least 1, at most all.
        threshold: u64,
    },
}

/// The limits and terms under which a task really runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// As [`Config::secret`].
    pub secret: Option<bool>,
    /// What makes the result acceptable.
    pub check: Check,
    /// Most fuel.
    pub fuel: u64,
    /// Most memory, in bytes.
    pub memory: u64,
    /// Most disk, in bytes.
    pub disk: u64,
    /// Most time, in milliseconds.
    pub time: u64,
    /// Largest result, in bytes.
    pub output: u64,
    /// Most that is printed, in bytes.
    pub log: u64,
    /// Further attempts.
    pub retry: u64,
}

impl Config {
    /// What holds for a step: its own words first, then the workflow's defaults, then the system's.
    #[must_use]
    pub fn cascade(step: Option<&Self>, defaults: Option<&Self>) -> Limits {
        let first = |field: fn(&Self) -> Option<u64>, default: u64| {
            step.and_then(field)
                .or_else(|| defaults.and_then(field))
                .unwrap_or(default)
        };
        let check = step.and_then(|config| config.check.as_ref());
        Limits {
            secret: step
                .and_then(|config| config.secret)
                .or_else(|| defaults.and_then(|config| config.secret)),
            check: check
                .or_else(|| defaults?.check.as_ref())
                .cloned()
                .unwrap_or_default(),
            fuel: first(|config| config.fuel, DEFAULT_FUEL),
            memory: first(|config| config.memory, DEFAULT_MEMORY),
            disk: first(|config| config.disk, DEFAULT_DISK),
            time: first(|config| config.time, DEFAULT_TIME),
            output: DEFAULT_OUTPUT,
            log: DEFAULT_LOG,
            retry: first(|config| config.retry, DEFAULT_RETRY),
        }
    }

    /// The configuration as on the wire.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        wire::map([
            ("secret", self.secret.map(Ipld::Bool)),
            ("check", self.check.as_ref().map(Check::to_ipld)),
            ("fuel", self.fuel.map(wire::integer)),
            ("memory", self.memory.map(wire::integer)),
            ("disk", self.disk.map(wire::integer)),
            ("time", self.time.map(wire::integer)),
            ("retry", self.retry.map(wire::integer)),
        ])
    }

    /// Reads a configuration: known keys only.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn from_ipld(value: Ipld) -> Result<Self, WireError> {
        let mut map = Fields::new(value, "config")?;
        let mut number = |key: &str| {
            let value = map.optional(key);
            value
                .map(|value| wire::number(value, &format!("config.{key}")))
                .transpose()
        };
        let (fuel, memory, disk) = (number("fuel")?, number("memory")?, number("disk")?);
        let (time, retry) = (number("time")?, number("retry")?);
        if retry.is_some_and(|retry| retry > MAX_RETRY) {
            return Err(WireError::value(
                "config.retry",
                format!("more than {MAX_RETRY}"),
            ));
        }
        let secret = map.get_optional("secret", fields::as_bool)?;
        let check = map.optional("check").map(Check::from_ipld).transpose()?;
        map.finish()?;
        Ok(Self {
            secret,
            check,
            fuel,
            memory,
            disk,
            time,
            retry,
        })
    }
}

impl Check {
    /// The check as on the wire.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        let did = |did: &Did| Ipld::String(did.to_string());
        match self {
            Self::Attestation => Ipld::String("attestation".into()),
            Self::Oracle(agent) => wire::map([("oracle", Some(did(agent)))]),
            Self::Optimistic {
                confirmations,
                referee,
            } => {
                let terms = [
                    ("confirmations", Some(wire::integer(*confirmations))),
                    ("referee", Some(did(referee))),
                ];
                wire::map([("optimistic", Some(wire::map(terms)))])
            }
            Self::Consensus { agents, threshold } => {
                let agents = Ipld::List(agents.iter().map(did).collect());
                let terms = [
                    ("agents", Some(agents)),
                    ("threshold", Some(wire::integer(*threshold))),
                ];
                wire::map([("consensus", Some(wire::map(terms)))])
            }
        }
    }

    /// Reads a check.
    ///
    /// # Errors
    /// Names the field that is wrong, or the check that is not offered.
    pub fn from_ipld(value: Ipld) -> Result<Self, WireError> {
        if let Ipld::String(name) = &value {
            return match name.as_str() {
                "attestation" => Ok(Self::Attestation),
                other => Err(not_offered(other)),
            };
        }
        let mut map = fields::as_map(value, "check")?.into_iter();
        match (map.next(), map.next()) {
            (Some((name, terms)), None) => Self::with_terms(&name, terms),
            _ => Err(WireError::value(
                "check",
                "must have exactly one key, the name of the check",
            )),
        }
    }

    fn with_terms(name: &str, terms: Ipld) -> Result<Self, WireError> {
        match name {
            "oracle" => Ok(Self::Oracle(wire::did(terms, "check.oracle")?)),
            "optimistic" => {
                let mut map = Fields::new(terms, "check.optimistic")?;
                let confirmations = wire::number(
                    map.required("confirmations")?,
                    "check.optimistic.confirmations",
                )?;
                let referee = wire::did(map.required("referee")?, "check.optimistic.referee")?;
                map.finish()?;
                Ok(Self::Optimistic {
                    confirmations,
                    referee,
                })
            }
            "consensus" => {
                let mut map = Fields::new(terms, "check.consensus")?;
                let agents = map.get("agents", fields::as_list)?;
                let threshold =
                    wire::number(map.required("threshold")?, "check.consensus.threshold")?;
                map.finish()?;
                let agents: Vec<Did> = agents
                    .into_iter()
                    .map(|agent| wire::did(agent, "check.consensus.agents"))
                    .collect::<Result<_, _>>()?;
                consensus(agents, threshold)
                    .map_err(|reason| WireError::value("check.consensus", reason))
            }
            other => Err(not_offered(other)),
        }
    }
}

/// A consensus that can be reached.
pub(crate) fn consensus(agents: Vec<Did>, threshold: u64) -> Result<Check, String> {
    if agents.len() > MAX_AGENTS {
        return Err(format!("more than {MAX_AGENTS} agents"));
    }
    let mut sorted: Vec<&Did> = agents.iter().collect();
    sorted.sort();
    if sorted.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err("an agent is named twice, and would have two votes".into());
    }
    if threshold == 0 || threshold > agents.len() as u64 {
        return Err(format!(
            "a threshold of {threshold} cannot be met by {} agents",
            agents.len()
        ));
    }
    Ok(Check::Consensus { agents, threshold })
}

fn not_offered(name: &str) -> WireError {
    let reason =
        format!("{name:?} is not offered; use attestation, oracle, optimistic or consensus");
    WireError::value("check", reason)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use ipvm_ipld::{Limits as DecodeLimits, json};

    const DID: &str = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX";
    const OTHER: &str = "did:key:z6Mko9hTggMwjSTEaJaPUfE6tqcy2xvU6BnNq3e3o8qVBiyH";

    fn read(text: &str) -> Result<Config, WireError> {
        let text = text.replace("DID", DID).replace("OTHER", OTHER);
        Config::from_ipld(json::from_str(&text, DecodeLimits::default()).unwrap())
    }

    /// Breaks: a configuration would be lost or changed between two machines.
    #[test]
    fn there_and_back() {
        for text in [
            "{}",
            r#"{"secret": true, "fuel": 1, "memory": 2, "disk": 3, "time": 4, "retry": 5}"#,
            r#"{"check": "attestation"}"#,
            r#"{"check": {"oracle": "DID"}}"#,
            r#"{"check": {"optimistic": {"confirmations": 2, "referee": "DID"}}}"#,
            r#"{"check": {"consensus": {"agents": ["DID", "OTHER"], "threshold": 2}}}"#,
        ] {
            let config = read(text).unwrap();
            assert_eq!(
                Config::from_ipld(config.to_ipld()).unwrap(),
                config,
                "{text}"
            );
        }
    }

    /// Breaks: a field that nobody honours would be accepted in silence.
    #[test]
    fn refusals() {
        let check = |text: &str, expect: &str| {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(expect), "{text}: {message}");
        };
        check(r#"{"fule": 1}"#, "fule");
        check(r#"{"fuel": -1}"#, "config.fuel");
        check(r#"{"fuel": 1.5}"#, "config.fuel");
        check(r#"{"fuel": null}"#, "config.fuel");
        check(r#"{"fuel": 9007199254740992}"#, "9007199254740992");
        check(r#"{"retry": 101}"#, "config.retry");
        check(r#"{"secret": 1}"#, "secret");
        check(
            r#"{"check": "zero-knowledge"}"#,
            "\"zero-knowledge\" is not offered",
        );
        check(r#"{"check": {"zkp": {}}}"#, "\"zkp\" is not offered");
        check(r#"{"check": {}}"#, "exactly one key");
        check(r#"{"check": {"oracle": "bob"}}"#, "check.oracle");
        check(
            r#"{"check": {"optimistic": {"referee": "DID"}}}"#,
            "confirmations",
        );
        check(
            r#"{"check": {"consensus": {"agents": [], "threshold": 0}}}"#,
            "threshold of 0",
        );
        check(
            r#"{"check": {"consensus": {"agents": ["DID"], "threshold": 2}}}"#,
            "threshold of 2",
        );
        check(
            r#"{"check": {"consensus": {"agents": ["DID", "DID"], "threshold": 2}}}"#,
            "twice",
        );
        check(
            r#"{"check": {"consensus": {"agents": ["DID"], "threshold": 1, "x": 1}}}"#,
            "x",
        );
    }

    /// Breaks: a task would run under other limits than its author wrote.
    #[test]
    fn cascade() {
        let none = Config::cascade(None, None);
        assert_eq!(
            (none.fuel, none.memory, none.time),
            (10_000_000_000, 256 << 20, 60_000)
        );
        assert_eq!(
            (none.output, none.log, none.retry, none.disk),
            (64 << 20, 1 << 20, 3, 0)
        );
        assert_eq!((none.secret, none.check), (None, Check::Attestation));
        let defaults =
            read(r#"{"fuel": 7, "time": 8, "secret": true, "check": {"oracle": "DID"}}"#).unwrap();
        let step = read(r#"{"fuel": 9, "secret": false}"#).unwrap();
        let both = Config::cascade(Some(&step), Some(&defaults));
        assert_eq!((both.fuel, both.time, both.secret), (9, 8, Some(false)));
        assert_eq!(both.check, Check::Oracle(DID.parse().unwrap()));
    }
}
