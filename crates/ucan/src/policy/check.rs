//! Traps: statements that say something else than their author may have meant.

use super::number::{compare, equal};
use super::selector::Step;
use super::{Comparison, Pattern, Policy, Selector, Statement, Truth};
use ipvm_ipld::Ipld;
use std::cmp::Ordering;
use std::fmt;

/// Something in a policy that is probably not meant. The policy is valid all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where, as in the token: `pol[0][1]`.
    pub at: String,
    /// What it is about, in the short form.
    pub statement: String,
    /// The trap.
    pub trap: Trap,
}

/// The known traps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trap {
    /// `not` over something that is also false where the key is missing.
    NotOverMissing,
    /// `any`: true of an empty collection.
    EmptyAny,
    /// `or` of nothing: always true.
    EmptyOr,
    /// `and` of nothing: always true.
    EmptyAnd,
    /// `all`: true of an empty collection.
    EmptyAll,
    /// Conditions that nothing meets together.
    Contradiction,
    /// An alternative that can decide nothing, as an earlier one says the same or is always true.
    Unreachable,
    /// A selector that finds nothing in any args.
    NeverFound,
    /// A pattern whose beginning ends within a name: `https://example.com*` is also `https://example.com.evil.org`.
    OpenPrefix,
    /// A pattern that begins with a wildcard right before a name: `*example.com` is also `evilexample.com`.
    OpenSuffix,
    /// A pattern without a wildcard.
    NoWildcard,
    /// An optional selector under `!=`: a missing value is null, which is not equal.
    OptionalNotEqual,
}

impl Trap {
    /// What it is, and what to do.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::NotOverMissing => {
                "`not` is also true where the value is missing; use `!=`, or require the value beside it"
            }
            Self::EmptyAny => {
                "`any` is also true where the collection is empty; ask for an item too, as in `.to[0] like \"*\"`"
            }
            Self::EmptyOr => "`or` without alternatives is always true; remove it",
            Self::EmptyAnd => "`and` without conditions is always true; remove it",
            Self::EmptyAll => {
                "`all` is also true where the collection is empty; ask for an item too if there must be one"
            }
            Self::Contradiction => "nothing meets this together with the conditions beside it",
            Self::Unreachable => {
                "an alternative before it is always true or says the same: this decides nothing"
            }
            Self::NeverFound => {
                "`[]` gives a list, and lists have no keys: this finds nothing; use `all` or `any`"
            }
            Self::OpenPrefix => {
                "what follows may go on with the name: https://example.com* is also https://example.com.evil.org; \
                 end the fixed part with / or another separator"
            }
            Self::OpenSuffix => {
                "what precedes may go on with the name: *example.com is also evilexample.com; begin the fixed part \
                 with a dot, @ or another separator"
            }
            Self::NoWildcard => "a pattern without `*` matches one text only; `==` says so",
            Self::OptionalNotEqual => {
                "with `?` a missing value is null, which is not equal; leave `?` out to require the value"
            }
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            statement,
            trap,
        } = self;
        write!(f, "{at}, `{statement}`: {}", trap.explanation())
    }
}

impl Policy {
    /// The traps in this policy.
    ///
    /// ```
    /// use ipvm_ucan::policy::{Policy, Trap};
    ///
    /// let policy: Policy = r#"not .uri like "https://internal.example.com/*""#.parse()?;
    /// assert_eq!(policy.warnings()[0].trap, Trap::NotOverMissing);
    /// # Ok::<(), ipvm_ucan::policy::PolicyTextError>(())
    /// ```
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut checker = Checker { found: vec![] };
        checker.conjunction(self.statements(), "pol");
        for (i, statement) in self.statements().iter().enumerate() {
            checker.statement(statement, &format!("pol[{i}]"), false);
        }
        checker.found
    }
}

struct Checker {
    found: Vec<Warning>,
}

impl Checker {
    fn warn(&mut self, at: &str, statement: &Statement, trap: Trap) {
        self.found.push(Warning {
            at: at.to_owned(),
            statement: statement.to_string(),
            trap,
        });
    }

    /// `negated`: under an odd number of `not`.
    fn statement(&mut self, statement: &Statement, at: &str, negated: bool) {
        match statement {
            Statement::Compare(op, selector, _) => {
                self.selector(selector, statement, at);
                let optional = selector.segments().iter().any(|segment| segment.optional);
                if *op == Comparison::NotEqual && optional {
                    self.warn(at, statement, Trap::OptionalNotEqual);
                }
            }
            Statement::Like(selector, pattern) => {
                self.selector(selector, statement, at);
                if let Some(trap) = pattern_trap(pattern) {
                    self.warn(at, statement, trap);
                }
            }
            Statement::And(inner) => {
                if inner.is_empty() {
                    self.warn(at, statement, Trap::EmptyAnd);
                }
                self.conjunction(inner, &format!("{at}[1]"));
            }
            Statement::Or(inner) => {
                if inner.is_empty() {
                    self.warn(at, statement, Trap::EmptyOr);
                }
                self.disjunction(inner, &format!("{at}[1]"));
            }
            Statement::Not(inner) => {
                if !negated && may_miss(inner) {
                    self.warn(at, statement, Trap::NotOverMissing);
                }
            }
            Statement::All(selector, _) => {
                self.selector(selector, statement, at);
                if !negated {
                    self.warn(at, statement, Trap::EmptyAll);
                }
            }
            Statement::Any(selector, _) => {
                self.selector(selector, statement, at);
                if !negated {
                    self.warn(at, statement, Trap::EmptyAny);
                }
            }
        }
        let negated = negated ^ matches!(statement, Statement::Not(_));
        for (i, inner) in statement.inner().iter().enumerate() {
            let at = match statement {
                Statement::And(_) | Statement::Or(_) => format!("{at}[1][{i}]"),
                Statement::Not(_) => format!("{at}[1]"),
                _ => format!("{at}[2]"),
            };
            self.statement(inner, &at, negated);
        }
    }

    fn selector(&mut self, selector: &Selector, statement: &Statement, at: &str) {
        let lists = |step: &Step| matches!(step, Step::Values | Step::Slice(..));
        let never = selector.segments().windows(2).any(|pair| match pair {
            [first, second] => {
                lists(&first.step) && matches!(second.step, Step::Key(_)) && !second.optional
            }
            _ => false,
        });
        if never {
            self.warn(at, statement, Trap::NeverFound);
        }
    }

    /// Conditions side by side. Quadratic, within the limit of statements.
    fn conjunction(&mut self, all: &[Statement], at: &str) {
        for (i, later) in all.iter().enumerate() {
            if all.iter().take(i).any(|earlier| contradict(earlier, later)) {
                self.warn(&format!("{at}[{i}]"), later, Trap::Contradiction);
            }
        }
    }

    fn disjunction(&mut self, any: &[Statement], at: &str) {
        for (i, later) in any.iter().enumerate() {
            let decided = |earlier: &Statement| earlier == later || always_true(earlier);
            if any.iter().take(i).any(decided) {
                self.warn(&format!("{at}[{i}]"), later, Trap::Unreachable);
            }
        }
    }
}

/// Whether a statement is false where a value is missing, so that `not` makes it true.
fn may_miss(statement: &Statement) -> bool {
    let can_fail = |selector: &Selector| {
        let fails = |step: &Step| !matches!(step, Step::Identity);
        selector
            .segments()
            .iter()
            .any(|segment| fails(&segment.step) && !segment.optional)
    };
    match statement {
        Statement::Compare(_, selector, _) | Statement::Like(selector, _) => can_fail(selector),
        Statement::All(selector, inner) | Statement::Any(selector, inner) => {
            can_fail(selector) || may_miss(inner)
        }
        Statement::And(inner) | Statement::Or(inner) => inner.iter().any(may_miss),
        Statement::Not(_) => false,
    }
}

fn always_true(statement: &Statement) -> bool {
    match statement {
        Statement::And(all) => all.iter().all(always_true),
        Statement::Or(any) => any.is_empty() || any.iter().any(always_true),
        _ => false,
    }
}

/// Whether no value meets both: about the same selector, and exclusive by value, order or pattern.
fn contradict(a: &Statement, b: &Statement) -> bool {
    match (a, b) {
        (Statement::Not(a), b) | (b, Statement::Not(a)) if **a == *b => true,
        (Statement::Compare(x, s, a), Statement::Compare(y, t, b)) if s == t => {
            compared(*x, a, *y, b)
        }
        (Statement::Compare(op, s, value), Statement::Like(t, pattern))
        | (Statement::Like(t, pattern), Statement::Compare(op, s, value))
            if s == t =>
        {
            match (op, value) {
                (Comparison::Equal, Ipld::String(text)) => !pattern.matches(text),
                (Comparison::NotEqual, _) => false,
                _ => true,
            }
        }
        _ => false,
    }
}

fn compared(x: Comparison, a: &Ipld, y: Comparison, b: &Ipld) -> bool {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let order = compare(a, b);
    match (x, y) {
        (Equal, Equal) => equal(a, b, false) == Truth::False,
        (Equal, NotEqual) | (NotEqual, Equal) => equal(a, b, false) == Truth::True,
        (NotEqual, _) | (_, NotEqual) => false,
        (Less | LessOrEqual, Less | LessOrEqual)
        | (Greater | GreaterOrEqual, Greater | GreaterOrEqual) => false,
        // A number is asked for on one side, and something else on the other.
        _ if order.is_none() => true,
        // v < a and v > b
        (Less, Greater | GreaterOrEqual) | (LessOrEqual, Greater) => {
            order != Some(Ordering::Greater)
        }
        (LessOrEqual, GreaterOrEqual) | (LessOrEqual, Equal) => order == Some(Ordering::Less),
        (Less, Equal) => order != Some(Ordering::Greater),
        (Greater | GreaterOrEqual, _) | (Equal, _) => match (x, y) {
            (Greater, Less | LessOrEqual) | (GreaterOrEqual, Less) | (Greater, Equal) => {
                order != Some(Ordering::Less)
            }
            (Equal, Less) => order != Some(Ordering::Less),
            (Equal, Greater) => order != Some(Ordering::Greater),
            (Equal, GreaterOrEqual) => order == Some(Ordering::Less),
            _ => order == Some(Ordering::Greater),
        },
    }
}

fn pattern_trap(pattern: &Pattern) -> Option<Trap> {
    let pieces = pattern.pieces();
    let (first, last) = (pieces.first()?, pieces.last()?);
    if pieces.len() == 1 {
        return Some(Trap::NoWildcard);
    }
    let in_name = |c: char| c.is_alphanumeric();
    // Only where a host is named: paths and words may well be open.
    let after_scheme = first.split_once("://").map(|(_, host)| host);
    if after_scheme.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#'])) {
        return Some(Trap::OpenPrefix);
    }
    let host_like = last.contains('.') && !last.contains('/') && last.starts_with(in_name);
    let extension = last.len() <= 4;
    if first.is_empty() && pieces.len() == 2 && host_like && !extension {
        return Some(Trap::OpenSuffix);
    }
    None
}
