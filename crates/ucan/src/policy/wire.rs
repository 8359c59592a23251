//! Policies as they are in tokens: lists that begin with an operator.

use super::{
    Comparison, MAX_POLICY_DEPTH, MAX_POLICY_NODES, Pattern, Policy, PolicyError, Selector,
    Statement,
};
use ipvm_ipld::{Ipld, kind_name};

impl Policy {
    /// The policy as it is in a token, which as DAG-JSON is the form of the specification.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        Ipld::List(self.statements().iter().map(Statement::to_ipld).collect())
    }

    /// Reads a policy as it is in a token.
    ///
    /// # Errors
    /// See [`PolicyError`]: each names the place.
    pub fn from_ipld(value: Ipld) -> Result<Self, PolicyError> {
        let Ipld::List(items) = value else {
            return form(
                "pol".into(),
                format!("a list of statements, not {}", kind_name(&value)),
            );
        };
        let mut reader = Reader { nodes: 0 };
        let statements = reader.statements(items, "pol", 1)?;
        Ok(Self(statements.into()))
    }
}

impl Statement {
    fn to_ipld(&self) -> Ipld {
        let text = |text: &str| Ipld::String(text.to_owned());
        let all = |inner: &[Self]| Ipld::List(inner.iter().map(Self::to_ipld).collect());
        Ipld::List(match self {
            Self::Compare(op, selector, value) => {
                vec![text(op.as_str()), text(selector.as_str()), value.clone()]
            }
            Self::Like(selector, pattern) => {
                vec![
                    text("like"),
                    text(selector.as_str()),
                    text(pattern.as_str()),
                ]
            }
            Self::And(inner) => vec![text("and"), all(inner)],
            Self::Or(inner) => vec![text("or"), all(inner)],
            Self::Not(inner) => vec![text("not"), inner.to_ipld()],
            Self::All(selector, inner) => {
                vec![text("all"), text(selector.as_str()), inner.to_ipld()]
            }
            Self::Any(selector, inner) => {
                vec![text("any"), text(selector.as_str()), inner.to_ipld()]
            }
        })
    }
}

fn form<T>(at: String, what: String) -> Result<T, PolicyError> {
    Err(PolicyError::Form { at, what })
}

struct Reader {
    nodes: usize,
}

impl Reader {
    fn statements(
        &mut self,
        items: Vec<Ipld>,
        at: &str,
        level: usize,
    ) -> Result<Vec<Statement>, PolicyError> {
        if items.len() > MAX_POLICY_NODES {
            return Err(PolicyError::TooMany);
        }
        items
            .into_iter()
            .enumerate()
            .map(|(i, item)| self.statement(item, &format!("{at}[{i}]"), level))
            .collect()
    }

    fn statement(&mut self, value: Ipld, at: &str, level: usize) -> Result<Statement, PolicyError> {
        self.nodes += 1;
        if self.nodes > MAX_POLICY_NODES {
            return Err(PolicyError::TooMany);
        }
        if level > MAX_POLICY_DEPTH {
            return Err(PolicyError::TooDeep);
        }
        let Ipld::List(items) = value else {
            return form(
                at.into(),
                format!("a statement is a list, not {}", kind_name(&value)),
            );
        };
        let mut items = items.into_iter();
        let Some(Ipld::String(op)) = items.next() else {
            return form(
                at.into(),
                "a statement begins with its operator, a string".into(),
            );
        };
        let statement = match op.as_str() {
            "and" | "or" => {
                let at = format!("{at}[1]");
                let Some(Ipld::List(inner)) = items.next() else {
                    return form(at, format!("{op} has a list of statements"));
                };
                let inner = self.statements(inner, &at, level + 1)?;
                if op == "and" {
                    Statement::And(inner)
                } else {
                    Statement::Or(inner)
                }
            }
            "not" => Statement::Not(Box::new(self.argument(items.next(), &op, at, 1, level)?)),
            "all" | "any" => {
                let selector = selector(items.next(), &op, at)?;
                let inner = Box::new(self.argument(items.next(), &op, at, 2, level)?);
                if op == "all" {
                    Statement::All(selector, inner)
                } else {
                    Statement::Any(selector, inner)
                }
            }
            "like" => {
                let selector = selector(items.next(), &op, at)?;
                let Some(Ipld::String(pattern)) = items.next() else {
                    return form(format!("{at}[2]"), "like has a pattern, a string".into());
                };
                Statement::Like(selector, Pattern::new(pattern)?)
            }
            other => compare(other, &mut items, at)?,
        };
        if items.next().is_some() {
            return form(at.into(), format!("{op} has too many arguments"));
        }
        Ok(statement)
    }

    fn argument(
        &mut self,
        value: Option<Ipld>,
        op: &str,
        at: &str,
        position: usize,
        level: usize,
    ) -> Result<Statement, PolicyError> {
        let at = format!("{at}[{position}]");
        match value {
            Some(value) => self.statement(value, &at, level + 1),
            None => form(at, format!("{op} lacks a statement")),
        }
    }
}

fn selector(value: Option<Ipld>, op: &str, at: &str) -> Result<Selector, PolicyError> {
    let at = format!("{at}[1]");
    match value {
        Some(Ipld::String(text)) => text
            .parse()
            .map_err(|source| PolicyError::Selector { at, source }),
        _ => form(at, format!("{op} has a selector, a string")),
    }
}

fn compare(
    op: &str,
    items: &mut impl Iterator<Item = Ipld>,
    at: &str,
) -> Result<Statement, PolicyError> {
    let Some(comparison) = Comparison::ALL
        .into_iter()
        .find(|known| known.as_str() == op)
    else {
        return form(at.into(), format!("the operator {op:?} is not known"));
    };
    let selector = selector(items.next(), op, at)?;
    match items.next() {
        Some(value)
            if comparison.is_order() && !matches!(value, Ipld::Integer(_) | Ipld::Float(_)) =>
        {
            let found = kind_name(&value);
            form(
                format!("{at}[2]"),
                format!("{op} compares numbers only, not {found}"),
            )
        }
        Some(value) => Ok(Statement::Compare(comparison, selector, value)),
        None => form(format!("{at}[2]"), format!("{op} lacks a value")),
    }
}
