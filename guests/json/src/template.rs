//! Documents made after a template: what the interface calls `transform`.

use serde_json::{Map, Value};

use crate::document::{self, MAX_BYTES, MAX_VALUES};
use crate::path::Path;
use crate::problem::{Problem, check};

/// A document made after a template.
///
/// # Errors
/// A document or template that is none, and a result over a limit.
pub fn transform(document: &[u8], template: &str) -> Result<Vec<u8>, Problem> {
    let template = Template::compile(document::read(template.as_bytes())?, &mut Place::default())?;
    let value = document::read(document)?;
    let mut room = Room::default();
    let made = template.fill(&value, &mut room)?.unwrap_or(Value::Null);
    document::write(&made)
}

/// A template that was understood.
#[derive(Debug)]
enum Template {
    Plain(Value),
    List(Vec<Template>),
    Object(Vec<(String, Template)>),
    One(Path),
    All(Path),
    Each { path: Path, each: Box<Template> },
    First { path: Path, other: Box<Template> },
    Count(Path),
    Join { path: Path, with: String },
}

/// Where in a template something is.
#[derive(Debug, Default)]
struct Place(Vec<String>);

impl Place {
    fn problem(&self, message: String) -> Problem {
        let at = self.0.iter().map(|step| format!("/{step}")).collect();
        Problem::Template { at, message }
    }

    /// Compiles what is one step further inside.
    fn inside(&mut self, step: &str, value: Value) -> Result<Template, Problem> {
        self.0.push(step.replace('~', "~0").replace('/', "~1"));
        let template = Template::compile(value, self)?;
        self.0.pop();
        Ok(template)
    }
}

impl Template {
    fn compile(value: Value, place: &mut Place) -> Result<Self, Problem> {
        Ok(match value {
            Value::String(text) => match text.strip_prefix('$') {
                Some(rest) if rest.starts_with('$') => Self::Plain(rest.into()),
                Some(_) => match Path::parse(&text)? {
                    path if path.is_singular => Self::One(path),
                    path => Self::All(path),
                },
                None => Self::Plain(text.into()),
            },
            Value::Array(items) => Self::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| place.inside(&index.to_string(), item))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(members) if members.keys().any(|name| name.starts_with('$')) => {
                Self::directive(members, place)?
            }
            Value::Object(members) => Self::Object(
                members
                    .into_iter()
                    .map(|(name, value)| Ok((name.clone(), place.inside(&name, value)?)))
                    .collect::<Result<_, _>>()?,
            ),
            plain => Self::Plain(plain),
        })
    }

    /// An object that stands for something else; every member must belong to it.
    fn directive(mut members: Map<String, Value>, place: &mut Place) -> Result<Self, Problem> {
        let name = members
            .keys()
            .find(|name| name.starts_with('$'))
            .cloned()
            .unwrap_or_default();
        let path = match members.remove(&name) {
            Some(Value::String(text)) => Path::parse(&text)?,
            _ => return Err(place.problem(format!("{name} needs a path"))),
        };
        let made = match (name.as_str(), members.remove("as"), members.remove("else")) {
            ("$each", Some(each), None) => Self::Each {
                path,
                each: Box::new(place.inside("as", each)?),
            },
            ("$first", None, Some(other)) => Self::First {
                path,
                other: Box::new(place.inside("else", other)?),
            },
            ("$count", None, None) => Self::Count(path),
            ("$join", None, None) => match members.remove("with") {
                Some(Value::String(with)) => Self::Join { path, with },
                _ => return Err(place.problem("$join needs a text `with`".into())),
            },
            ("$each", ..) => return Err(place.problem("$each needs `as`, and no `else`".into())),
            ("$first", ..) => return Err(place.problem("$first needs `else`, and no `as`".into())),
            _ => {
                return Err(place.problem(format!("{name} is not $each, $first, $count or $join")));
            }
        };
        match members.keys().next() {
            Some(foreign) => Err(place.problem(format!("{foreign} does not belong to {name}"))),
            None => Ok(made),
        }
    }

    /// What the template makes of a value; nothing where a path that can name one value names none.
    fn fill(&self, value: &Value, room: &mut Room) -> Result<Option<Value>, Problem> {
        Ok(match self {
            Self::One(path) => match path.all(value)?.first() {
                Some(found) => Some(room.copy(found)?),
                None => None,
            },
            Self::Plain(plain) => Some(room.copy(plain)?),
            Self::List(items) => {
                room.take(1, 0)?;
                let items = items
                    .iter()
                    .map(|item| Ok(item.fill(value, room)?.unwrap_or(Value::Null)));
                Some(Value::Array(items.collect::<Result<_, Problem>>()?))
            }
            Self::Object(members) => {
                room.take(1, 0)?;
                let mut object = Map::new();
                for (name, member) in members {
                    if let Some(member) = member.fill(value, room)? {
                        room.take(0, name.len())?;
                        object.insert(name.clone(), member);
                    }
                }
                Some(Value::Object(object))
            }
            Self::All(path) => {
                room.take(1, 0)?;
                let found = path.all(value)?;
                let found = found.into_iter().map(|found| room.copy(found));
                Some(Value::Array(found.collect::<Result<_, _>>()?))
            }
            Self::Each { path, each } => {
                room.take(1, 0)?;
                let items = path
                    .all(value)?
                    .into_iter()
                    .map(|found| Ok(each.fill(found, room)?.unwrap_or(Value::Null)));
                Some(Value::Array(items.collect::<Result<_, Problem>>()?))
            }
            Self::First { path, other } => match path.all(value)?.first() {
                Some(found) => Some(room.copy(found)?),
                None => other.fill(value, room)?,
            },
            Self::Count(path) => {
                room.take(1, 0)?;
                Some(path.all(value)?.len().into())
            }
            Self::Join { path, with } => {
                let texts: Vec<String> = path.all(value)?.into_iter().filter_map(text).collect();
                let between = with.len().saturating_mul(texts.len());
                let bytes = texts.iter().map(String::len).sum::<usize>();
                room.take(1, bytes.saturating_add(between))?;
                Some(texts.join(with).into())
            }
        })
    }
}

/// A text or number as text; everything else is passed over.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What has been made so far: a small template can ask for a huge document, many times over.
#[derive(Debug, Default)]
struct Room {
    values: usize,
    bytes: usize,
}

impl Room {
    fn take(&mut self, values: usize, bytes: usize) -> Result<(), Problem> {
        self.values += values;
        self.bytes = self.bytes.saturating_add(bytes);
        check("values", self.values, MAX_VALUES)?;
        check("bytes", self.bytes, MAX_BYTES)
    }

    /// A copy of a value, if there is room for it.
    fn copy(&mut self, value: &Value) -> Result<Value, Problem> {
        let mut rest = vec![value];
        while let Some(value) = rest.pop() {
            match value {
                Value::String(text) => self.take(1, text.len())?,
                Value::Array(items) => {
                    self.take(1, 0)?;
                    rest.extend(items);
                }
                Value::Object(members) => {
                    self.take(1, members.keys().map(String::len).sum())?;
                    rest.extend(members.values());
                }
                _ => self.take(1, 0)?,
            }
        }
        Ok(value.clone())
    }
}
