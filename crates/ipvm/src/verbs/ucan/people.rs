//! Principals as people know them.

use ipvm_node::{Named, Node};
use ipvm_ucan::Did;

/// The names of this home, to be shown.
pub(crate) struct People {
    names: Vec<Named>,
    owner: Did,
    agent: Did,
}

impl People {
    pub(crate) fn of(node: &Node) -> anyhow::Result<Self> {
        Ok(Self {
            names: node.names()?,
            owner: node.owner().clone(),
            agent: node.agent().clone(),
        })
    }

    fn name(&self, did: &Did) -> Option<&str> {
        if *did == self.owner {
            return Some("owner");
        }
        if *did == self.agent {
            return Some("agent");
        }
        let named = self.names.iter().find(|named| named.did == *did);
        named.map(|named| named.name.as_str())
    }

    /// The name and the DID, or the DID alone.
    pub(crate) fn full(&self, did: &Did) -> String {
        match self.name(did) {
            Some(name) => format!("{name} ({did})"),
            None => did.to_string(),
        }
    }

    /// The name, or else the DID.
    pub(crate) fn short(&self, did: &Did) -> String {
        self.name(did)
            .map_or_else(|| did.to_string(), str::to_owned)
    }

    /// A text with names in the place of DIDs.
    pub(crate) fn in_text(&self, text: &str) -> String {
        let own = [(&self.owner, "owner"), (&self.agent, "agent")];
        let others = self
            .names
            .iter()
            .map(|named| (&named.did, named.name.as_str()));
        let mut text = text.to_owned();
        for (did, name) in own.into_iter().chain(others) {
            text = text.replace(did.as_str(), name);
        }
        text
    }
}
