//! The tree that a workflow file is read into: every value knows where it stands.
//!
//! Nodes live in one arena and name their parent, so a place in the file is a small index that can be kept
//! until an error has to be reported; the path and the position are worked out only then.

use crate::class::makes_secret;
use ipvm_ipld::Cid;

/// Longest workflow file, in bytes. Callers look at a file's length before they read it.
pub const MAX_FILE_BYTES: u64 = 64 << 20;
/// Deepest nesting of a workflow file, in levels; the document itself is level 1.
pub const MAX_DEPTH: usize = 64;
/// Most values (lists, maps and scalars; keys not counted) in a workflow file. One costs about 50 bytes.
pub const MAX_NODES: usize = 2_000_000;

/// A place in a text: both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Index of a node in its [`Document`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(u32);

impl NodeId {
    /// The id of the next node of an arena. Arenas are far smaller than 2^32.
    pub(crate) fn next(nodes: &[Node]) -> Self {
        Self(u32::try_from(nodes.len()).unwrap_or(u32::MAX))
    }
}

/// One value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: Option<Position>,
    /// The list or map that holds it; a root is its own parent.
    pub(crate) parent: NodeId,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// Within ±(2^53 − 1): the readers refuse others.
    Int(i64),
    /// Finite: the readers refuse others.
    Float(f64),
    Text(Box<str>),
    /// Only from DAG-CBOR.
    Bytes(Box<[u8]>),
    /// Only from DAG-CBOR.
    Link(Box<Cid>),
    List(Box<[NodeId]>),
    /// In the order of the file, without duplicate keys.
    Map(Box<[Entry]>),
}

/// One key of a map with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Box<str>,
    pub(crate) key_at: Option<Position>,
    pub(crate) value: NodeId,
}

impl Value {
    /// The value's kind in the words of messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing (null)",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Link(_) => "a link",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Something an error can point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// A value.
    Node(NodeId),
    /// The key number `.1` of the map `.0`.
    Key(NodeId, usize),
}

/// A workflow file as read, not yet understood.
#[derive(Debug)]
pub struct Document {
    pub(crate) nodes: Vec<Node>,
    /// First node and name of each value that came from `--set`, ascending.
    pub(crate) sets: Vec<(NodeId, String)>,
}

impl Document {
    pub(crate) const ROOT: NodeId = NodeId(0);

    /// Whether the file says `secret: true` anywhere, or names a command that makes tasks secret: if not, no step of it
    /// is secret by itself.
    #[must_use]
    pub fn may_have_secrets(&self) -> bool {
        let says = |entry: &Entry| match (&*entry.key, self.value(entry.value)) {
            ("secret", value) => !matches!(value, Value::Bool(false)),
            ("cmd", Value::Text(text)) => text.parse().is_ok_and(|cmd| makes_secret(&cmd)),
            _ => false,
        };
        self.nodes.iter().any(|node| match &node.value {
            Value::Map(entries) => entries.iter().any(says),
            _ => false,
        })
    }

    /// The node of an id. Ids come from this document, so the fallback (the root) is never taken.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        const NOTHING: &Node = &Node {
            value: Value::Null,
            at: None,
            parent: Document::ROOT,
        };
        self.nodes.get(id.0 as usize).unwrap_or(NOTHING)
    }

    pub(crate) fn value(&self, id: NodeId) -> &Value {
        &self.node(id).value
    }

    /// The text of a text node.
    pub(crate) fn text(&self, id: NodeId) -> Option<&str> {
        match self.value(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a map node.
    pub(crate) fn entries(&self, id: NodeId) -> Option<&[Entry]> {
        match self.value(id) {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of a list node.
    pub(crate) fn items(&self, id: NodeId) -> Option<&[NodeId]> {
        match self.value(id) {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The value under a key of a map node.
    pub(crate) fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        self.entries(id)?
            .iter()
            .find(|entry| &*entry.key == key)
            .map(|entry| entry.value)
    }

    /// The `--set` key that a node came from, if it did.
    pub(crate) fn set_of(&self, id: NodeId) -> Option<&str> {
        let after = self.sets.partition_point(|(first, _)| *first <= id);
        self.sets
            .get(after.checked_sub(1)?)
            .map(|(_, key)| key.as_str())
    }

    /// Where something stands, if its text has positions.
    pub(crate) fn position(&self, at: At) -> Option<Position> {
        match at {
            At::Node(id) => self.node(id).at,
            At::Key(map, index) => self.entries(map)?.get(index)?.key_at,
        }
    }

    /// The path of something from the top, such as `tasks.small.args[0]`; empty for the top itself.
    pub(crate) fn path(&self, at: At) -> String {
        let mut segments = Vec::new();
        let mut id = match at {
            At::Node(id) => id,
            At::Key(map, index) => {
                let key = self.entries(map).and_then(|entries| entries.get(index));
                segments.extend(key.map(|entry| Segment::Key(&entry.key)));
                map
            }
        };
        loop {
            let parent = self.node(id).parent;
            if parent == id {
                break;
            }
            segments.extend(self.segment(parent, id));
            id = parent;
        }
        segments.reverse();
        join(&segments)
    }

    fn segment(&self, parent: NodeId, child: NodeId) -> Option<Segment<'_>> {
        match self.value(parent) {
            Value::List(items) => items
                .iter()
                .position(|item| *item == child)
                .map(Segment::Index),
            Value::Map(entries) => entries
                .iter()
                .find(|entry| entry.value == child)
                .map(|entry| Segment::Key(&entry.key)),
            _ => None,
        }
    }
}

/// One step of a path.
#[derive(Clone, Copy)]
pub(crate) enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

/// Writes a path: keys joined by dots (quoted if they need it), indices in brackets.
pub(crate) fn join(segments: &[Segment<'_>]) -> String {
    let mut path = String::new();
    for segment in segments {
        match segment {
            Segment::Index(index) => path.push_str(&format!("[{index}]")),
            Segment::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                if !key.is_empty()
                    && key
                        .chars()
                        .all(|c| c.is_alphanumeric() || "_-*/".contains(c))
                {
                    path.push_str(key);
                } else {
                    path.push_str(&format!("{key:?}"));
                }
            }
        }
    }
    path
}

/// A document under construction, fed by the readers of the three encodings.
///
/// It alone keeps the limits on depth and number, and refuses duplicate keys.
pub(crate) struct Builder<'d> {
    nodes: &'d mut Vec<Node>,
    open: Vec<Open>,
}

struct Open {
    id: NodeId,
    at: Option<Position>,
    content: Content,
}

enum Content {
    List(Vec<NodeId>),
    Map {
        entries: Vec<Entry>,
        pending: Option<(Box<str>, Option<Position>)>,
    },
}

/// What [`Builder`] refuses.
#[derive(Debug)]
pub(crate) enum Refused {
    TooDeep,
    TooMany,
    Duplicate {
        key: String,
        at: Option<Position>,
        first: Option<Position>,
    },
}

impl<'d> Builder<'d> {
    pub(crate) fn new(nodes: &'d mut Vec<Node>) -> Self {
        Self {
            nodes,
            open: Vec::new(),
        }
    }

    /// Whether the next thing belongs in the place of a key.
    pub(crate) fn expects_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                content: Content::Map { pending: None, .. },
                ..
            })
        )
    }

    /// Whether nothing is open.
    pub(crate) fn is_closed(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether the innermost open thing is a map; `None` if nothing is open.
    pub(crate) fn in_map(&self) -> Option<bool> {
        self.open
            .last()
            .map(|open| matches!(open.content, Content::Map { .. }))
    }

    /// Path of the place that the next value or key would take.
    pub(crate) fn path(&self) -> String {
        let segments: Vec<Segment<'_>> = self
            .open
            .iter()
            .filter_map(|open| match &open.content {
                Content::List(items) => Some(Segment::Index(items.len())),
                Content::Map { pending, .. } => pending.as_ref().map(|(key, _)| Segment::Key(key)),
            })
            .collect();
        join(&segments)
    }

    pub(crate) fn scalar(&mut self, value: Value, at: Option<Position>) -> Result<(), Refused> {
        self.attach(value, at).map(|_| ())
    }

    pub(crate) fn begin_list(&mut self, at: Option<Position>) -> Result<(), Refused> {
        self.begin(at, Content::List(Vec::new()))
    }

    pub(crate) fn begin_map(&mut self, at: Option<Position>) -> Result<(), Refused> {
        self.begin(
            at,
            Content::Map {
                entries: Vec::new(),
                pending: None,
            },
        )
    }

    fn begin(&mut self, at: Option<Position>, content: Content) -> Result<(), Refused> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Refused::TooDeep);
        }
        let id = self.attach(Value::Null, at)?;
        self.open.push(Open { id, at, content });
        Ok(())
    }

    pub(crate) fn key(&mut self, key: &str, at: Option<Position>) {
        if let Some(Open {
            content: Content::Map { pending, .. },
            ..
        }) = self.open.last_mut()
        {
            *pending = Some((key.into(), at));
        }
    }

    /// Closes the innermost list or map.
    pub(crate) fn end(&mut self) -> Result<(), Refused> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = match open.content {
            Content::List(items) => Value::List(items.into()),
            Content::Map { entries, .. } => {
                distinct(&entries)?;
                Value::Map(entries.into())
            }
        };
        if let Some(node) = self.nodes.get_mut(open.id.0 as usize) {
            node.value = value;
            node.at = open.at;
        }
        Ok(())
    }

    /// Adds a node under the innermost open list or map.
    fn attach(&mut self, value: Value, at: Option<Position>) -> Result<NodeId, Refused> {
        if self.nodes.len() >= MAX_NODES {
            return Err(Refused::TooMany);
        }
        let id = NodeId::next(self.nodes);
        let parent = self.open.last().map_or(id, |open| open.id);
        match self.open.last_mut().map(|open| &mut open.content) {
            Some(Content::List(items)) => items.push(id),
            Some(Content::Map { entries, pending }) => {
                let (key, key_at) = pending.take().unwrap_or_default();
                entries.push(Entry {
                    key,
                    key_at,
                    value: id,
                });
            }
            None => {}
        }
        self.nodes.push(Node { value, at, parent });
        Ok(id)
    }
}

/// Refuses a key that occurs twice; names the second place.
fn distinct(entries: &[Entry]) -> Result<(), Refused> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    // Stable: of two equal keys the later one in the file comes second.
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let twice = sorted.windows(2).find_map(|pair| match pair {
        [first, second] if first.key == second.key => Some((*first, *second)),
        _ => None,
    });
    match twice {
        Some((first, second)) => Err(Refused::Duplicate {
            key: second.key.to_string(),
            at: second.key_at,
            first: first.key_at,
        }),
        None => Ok(()),
    }
}
