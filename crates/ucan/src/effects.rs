//! Effects: what a task asks for beside its result. They are requests, not authority: roles are bound to subjects by the
//! workflow, never by the one who asks.

use crate::Command;
use crate::error::Malformed;
use ipvm_ipld::Ipld;
use ipvm_ipld::fields::{Fields, as_list, as_map, as_string};
use std::collections::BTreeMap;

/// Most requests of one receipt.
pub const MAX_EFFECTS: usize = 1024;

/// The effects that a receipt asks for (`run`): at least one.
///
/// ```
/// use ipvm_ucan::{Effects, Request};
///
/// let mail = Request { role: "mail".into(), cmd: "/msg/send".parse()?, args: Default::default() };
/// let effects = Effects { fork: vec![mail], join: None };
/// assert_eq!(Effects::from_ipld(effects.to_ipld())?, effects);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Effects {
    /// Requests that nobody waits for, unless another request awaits them by position.
    pub fork: Vec<Request>,
    /// The continuation: whoever awaits this task gets what this one gives.
    pub join: Option<Request>,
}

/// One request of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose resources, as the workflow names them.
    pub role: String,
    /// What is to be done.
    pub cmd: Command,
    /// With what; may await other requests by position, as in `{"await/ok": {"fork": 0}}`.
    pub args: BTreeMap<String, Ipld>,
}

impl Effects {
    /// Whether nothing is asked for: a receipt then leaves `run` out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fork.is_empty() && self.join.is_none()
    }

    /// The effects as they are in a receipt.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        let mut map = BTreeMap::new();
        if !self.fork.is_empty() {
            let fork = self.fork.iter().map(Request::to_ipld).collect();
            map.insert("fork".to_owned(), Ipld::List(fork));
        }
        if let Some(join) = &self.join {
            map.insert("join".to_owned(), join.to_ipld());
        }
        Ipld::Map(map)
    }

    /// Reads the effects of a receipt.
    ///
    /// # Errors
    /// If they have not their form, are empty, or more than [`MAX_EFFECTS`].
    pub fn from_ipld(value: Ipld) -> Result<Self, Malformed> {
        let mut fields = Fields::new(value, "run")?;
        let fork = match fields.get_optional("fork", as_list)? {
            Some(fork) if fork.is_empty() => {
                return Err(Malformed::Receipt(
                    "its effects (run.fork) are an empty list",
                ));
            }
            Some(fork) if fork.len() > MAX_EFFECTS => {
                return Err(Malformed::Receipt("it asks for more than 1,024 effects"));
            }
            fork => fork.unwrap_or_default(),
        };
        let fork = fork
            .into_iter()
            .map(Request::from_ipld)
            .collect::<Result<_, _>>()?;
        let join = fields
            .optional("join")
            .map(Request::from_ipld)
            .transpose()?;
        fields.finish()?;
        let effects = Self { fork, join };
        if effects.is_empty() {
            return Err(Malformed::Receipt(
                "its effects (run) are empty; they are left out then",
            ));
        }
        Ok(effects)
    }
}

impl Request {
    fn to_ipld(&self) -> Ipld {
        Ipld::Map(BTreeMap::from([
            ("role".to_owned(), Ipld::String(self.role.clone())),
            ("cmd".to_owned(), Ipld::String(self.cmd.as_str().to_owned())),
            ("args".to_owned(), Ipld::Map(self.args.clone())),
        ]))
    }

    fn from_ipld(value: Ipld) -> Result<Self, Malformed> {
        let mut fields = Fields::new(value, "effect")?;
        let request = Self {
            role: fields.get("role", as_string)?,
            cmd: fields.get("cmd", as_string)?.parse()?,
            args: fields.get("args", as_map)?,
        };
        fields.finish()?;
        Ok(request)
    }
}
