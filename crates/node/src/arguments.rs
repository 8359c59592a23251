//! Arguments as typed on a command line.
//!
//! An argument is DAG-JSON. Where its type leaves no doubt, shorter forms are understood too: each is either no
//! DAG-JSON at all or no value of the type as it stands, so that nothing that has a meaning gets another one.

use std::collections::BTreeMap;

use ipvm_ipld::{Ipld, Limits, json, parse_cid};
use ipvm_wasm::{ArgError, Names, Type, Variant};

/// Longest example shown in a message, in bytes.
const MAX_EXAMPLE: usize = 120;
/// Longest text of an argument quoted in a message, in characters.
const QUOTED: usize = 60;

/// Reads `text` as a value for a parameter of type `ty`: DAG-JSON, or
///
/// - text, for `string`, `char` and `enum`, as it is unless it is quoted: `5` is the text "5", and so is `"5"`;
/// - a whole number for a float, also inside lists and the like: `2` for `2.0`;
/// - `1_000_000` for an integer;
/// - `read,write` for flags, in any order;
/// - the case of a variant, if it has no payload: `dot` for `{"dot": null}`;
/// - `0x0102` for bytes;
/// - a CID alone for a link, wherever one is possible.
///
/// An option takes what its payload takes, or `null`.
///
/// # Errors
/// What is wrong and what is wanted, in one line.
pub(crate) fn parse_argument(text: &str, ty: &Type) -> Result<Ipld, String> {
    match ty {
        Type::Option(inner) if !matches!(**inner, Type::Option(_)) => match text {
            "null" => Ok(Ipld::Null),
            _ => parse_argument(text, inner),
        },
        Type::String | Type::Char | Type::Enum(_) => parse_text(text, ty),
        _ => match short_form(text, ty) {
            Some(value) => Ok(value),
            None => parse_json(text, ty).map(|value| coerce(value, ty)),
        },
    }
}

/// The message for an argument that does not fit, with an example of one that would.
pub(crate) fn explain(error: &ArgError, params: &[(String, Type)]) -> String {
    let wanted = params.get(error.index).map(|(_, ty)| wanted(ty));
    format!("{error}{}", wanted.unwrap_or_default())
}

fn parse_json(text: &str, ty: &Type) -> Result<Ipld, String> {
    json::from_str(text, Limits::default())
        .map_err(|error| format!("`{}` is not DAG-JSON: {error}{}", cut(text), wanted(ty)))
}

/// What begins with a quotation mark is DAG-JSON. A brace begins a link, or else is part of the text.
fn parse_text(text: &str, ty: &Type) -> Result<Ipld, String> {
    if text.starts_with('"') {
        return parse_json(text, ty);
    }
    let bare = || Ipld::String(text.to_owned());
    if !text.starts_with('{') {
        return Ok(bare());
    }
    let value = json::from_str(text, Limits::default());
    Ok(value
        .ok()
        .filter(|value| matches!(value, Ipld::Link(_)))
        .unwrap_or_else(bare))
}

/// A form that is no DAG-JSON, if `text` has it.
fn short_form(text: &str, ty: &Type) -> Option<Ipld> {
    match ty {
        Type::U8
        | Type::S8
        | Type::U16
        | Type::S16
        | Type::U32
        | Type::S32
        | Type::U64
        | Type::S64 => grouped_integer(text),
        Type::Flags(names) => bare_flags(text, names),
        Type::Variant(variant) => bare_case(text, variant),
        Type::List(item) if **item == Type::U8 => text.strip_prefix("0x").and_then(hex),
        _ => None,
    }
    .or_else(|| parse_cid(text).ok().map(Ipld::Link))
}

/// `1_000_000`: digits with single underscores between them.
fn grouped_integer(text: &str) -> Option<Ipld> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_group = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    if !digits.contains('_') || digits.starts_with('0') || !digits.split('_').all(is_group) {
        return None;
    }
    text.replace('_', "").parse().ok().map(Ipld::Integer)
}

/// `write,read`: the set does not depend on the order in which it is typed. Unknown names are left to be refused.
fn bare_flags(text: &str, names: &Names) -> Option<Ipld> {
    if text.starts_with('[') || text.starts_with('{') || text.starts_with('"') {
        return None;
    }
    let mut typed: Vec<_> = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    // None of the names is a CID, which could mean a list kept elsewhere.
    if parse_cid(text).is_ok() {
        return None;
    }
    let position = |name: &&str| names.list().iter().position(|known| known == name);
    typed.sort_by_key(position);
    let items = typed.into_iter().map(|name| Ipld::String(name.to_owned()));
    Some(Ipld::List(items.collect()))
}

fn bare_case(text: &str, variant: &Variant) -> Option<Ipld> {
    variant
        .cases()
        .find(|(name, payload)| *name == text && payload.is_none())
        .map(|(name, _)| Ipld::Map(BTreeMap::from([(name.to_owned(), Ipld::Null)])))
}

fn hex(digits: &str) -> Option<Ipld> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| {
        let byte = digit(high)? << 4 | digit(low)?;
        u8::try_from(byte).ok()
    });
    let bytes = bytes.collect::<Option<Vec<_>>>()?;
    rest.is_empty().then_some(Ipld::Bytes(bytes))
}

/// Inside DAG-JSON: whole numbers where floats are wanted, and CIDs in quotes where links are. What does not fit
/// otherwise stays as it is, to be refused with its place.
fn coerce(value: Ipld, ty: &Type) -> Ipld {
    match (ty, value) {
        (Type::F32 | Type::F64, Ipld::Integer(whole)) => {
            let float = whole as f64;
            // A number that no float has must not become its neighbour.
            if float as i128 == whole {
                Ipld::Float(float)
            } else {
                Ipld::Integer(whole)
            }
        }
        (Type::Cid, Ipld::String(text)) => parse_cid(&text).map_or(Ipld::String(text), Ipld::Link),
        (Type::Option(inner), Ipld::List(items)) if matches!(**inner, Type::Option(_)) => {
            Ipld::List(items.into_iter().map(|item| coerce(item, inner)).collect())
        }
        (Type::Option(inner), value) => coerce(value, inner),
        (Type::List(item), Ipld::List(items)) => {
            Ipld::List(items.into_iter().map(|value| coerce(value, item)).collect())
        }
        (Type::Tuple(tuple), Ipld::List(items)) => {
            let count = items.len();
            let types = tuple
                .types()
                .iter()
                .map(Some)
                .chain(std::iter::repeat(None));
            let items = items.into_iter().zip(types).take(count);
            Ipld::List(items.map(|(item, ty)| coerce_if(item, ty)).collect())
        }
        (ty, Ipld::Map(map)) => Ipld::Map(
            map.into_iter()
                .map(|(key, value)| {
                    let value = coerce_if(value, value_type(ty, &key));
                    (key, value)
                })
                .collect(),
        ),
        (_, value) => value,
    }
}

fn coerce_if(value: Ipld, ty: Option<&Type>) -> Ipld {
    match ty {
        Some(ty) => coerce(value, ty),
        None => value,
    }
}

/// The type of what a map has under a key, if it is a value of type `ty`.
fn value_type<'t>(ty: &'t Type, key: &str) -> Option<&'t Type> {
    match ty {
        Type::Map(entry) => entry.types().get(1),
        Type::List(item) => match &**item {
            Type::Tuple(entry) => match entry.types() {
                [Type::String, value] => Some(value),
                _ => None,
            },
            _ => None,
        },
        Type::Record(record) => record
            .fields()
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, ty)| ty),
        Type::Variant(variant) => variant.cases().find(|(name, _)| *name == key)?.1,
        Type::Result(sides) => match key {
            "ok" => sides.ok(),
            "error" => sides.error(),
            _ => None,
        },
        _ => None,
    }
}

/// An example of what can be typed for a parameter of this type.
fn example(ty: &Type) -> String {
    match (ty, ty.example()) {
        (Type::Cid, Ipld::Link(cid)) => cid.to_string(),
        (Type::String | Type::Char | Type::Enum(_), Ipld::String(text)) => text,
        (_, value) => json::to_string(&value),
    }
}

fn wanted(ty: &Type) -> String {
    let example = example(ty);
    if matches!(ty, Type::Unsupported(_)) || example.len() > MAX_EXAMPLE {
        return String::new();
    }
    format!("; an example is `{example}`")
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    //! Without these, what a user types reaches the function as something else.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use ipvm_ipld::{cid_of, codec};

    #[track_caller]
    fn check(ty: &Type, text: &str, expect: Option<&Ipld>) {
        assert_eq!(
            parse_argument(text, ty).ok().as_ref(),
            expect,
            "{text} as {ty}"
        );
    }

    /// `text` means what `expect` says in DAG-JSON.
    #[track_caller]
    fn means(ty: &Type, text: &str, expect: &str) {
        let expect = json::from_str(expect, Limits::default()).unwrap();
        check(ty, text, Some(&expect));
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn shape() -> Type {
        Type::variant(vec![
            ("dot".to_owned(), None),
            ("circle".to_owned(), Some(Type::F64)),
        ])
    }

    #[test]
    fn words_and_json() {
        let text = |text: &str| Ipld::String(text.to_owned());
        check(&Type::String, "hello world", Some(&text("hello world")));
        check(&Type::String, "\"hello\\n\"", Some(&text("hello\n")));
        check(&Type::String, "5", Some(&text("5")));
        check(&Type::String, "", Some(&text("")));
        check(&Type::String, "\"open", None);
        check(&Type::option(Type::String), "null", Some(&Ipld::Null));
        check(&Type::option(Type::String), "\"null\"", Some(&text("null")));
        check(&Type::option(Type::String), "x", Some(&text("x")));
        check(
            &Type::enumeration(names(&["red"])),
            "red",
            Some(&text("red")),
        );
        check(&Type::S32, "-1", Some(&Ipld::Integer(-1)));
        check(&Type::S32, "one", None);
        check(&Type::F32, "2", Some(&Ipld::Float(2.0)));
        check(&Type::F64, "2.5", Some(&Ipld::Float(2.5)));
        check(&Type::Bool, "true", Some(&Ipld::Bool(true)));
        check(&Type::Bool, "yes", None);
        check(
            &Type::list(Type::U8),
            r#"{"/":{"bytes":"AQI"}}"#,
            Some(&Ipld::Bytes(vec![1, 2])),
        );
        check(&Type::list(Type::S32), "[1, 2", None);
    }

    /// A text of JSON is a text; only a link stands for something else.
    #[test]
    fn json_as_text() {
        let link = cid_of(codec::DAG_CBOR, b"");
        means(&Type::String, r#"{"a": 1}"#, r#""{\"a\": 1}""#);
        means(&Type::String, "{half", r#""{half""#);
        check(
            &Type::String,
            &format!(r#"{{"/": "{link}"}}"#),
            Some(&Ipld::Link(link)),
        );
        means(
            &Type::String,
            &link.to_string(),
            &format!("{:?}", link.to_string()),
        );
    }

    #[test]
    fn numbers() {
        means(&Type::U32, "1_000_000", "1000000");
        means(&Type::S64, "-1_000", "-1000");
        for wrong in ["1__0", "_1", "1_", "0_1", "+1", "0x10"] {
            check(&Type::U32, wrong, None);
        }
        means(&Type::list(Type::F64), "[1, 2.5, -3]", "[1.0, 2.5, -3.0]");
        means(
            &Type::record(vec![("sizes".to_owned(), Type::map(Type::F32))]),
            r#"{"sizes": {"a": 1}}"#,
            r#"{"sizes": {"a": 1.0}}"#,
        );
        means(
            &Type::tuple(vec![Type::F64, Type::U8]),
            "[1, 1, 1]",
            "[1.0, 1, 1]",
        );
        means(&shape(), r#"{"circle": 2}"#, r#"{"circle": 2.0}"#);
        means(&Type::option(Type::option(Type::F64)), "[2]", "[2.0]");
        means(
            &Type::result(Some(Type::F64), None),
            r#"{"ok": 2}"#,
            r#"{"ok": 2.0}"#,
        );
        // No float is this number.
        means(&Type::F64, "9007199254740993", "9007199254740993");
    }

    #[test]
    fn flags_and_cases() {
        let rights = Type::flags(names(&["read", "write", "run"]));
        means(&rights, "run,read", r#"["read", "run"]"#);
        means(&rights, "read", r#"["read"]"#);
        means(&rights, "", "[]");
        means(&rights, r#"["read", "run"]"#, r#"["read", "run"]"#);
        means(&rights, r#"["run", "read"]"#, r#"["run", "read"]"#);
        means(&rights, "fly,read", r#"["fly", "read"]"#);
        means(&shape(), "dot", r#"{"dot": null}"#);
        check(&shape(), "circle", None);
        means(&Type::option(shape()), "dot", r#"{"dot": null}"#);
    }

    #[test]
    fn bytes_and_links() {
        let bytes = Type::list(Type::U8);
        check(&bytes, "0x01fF", Some(&Ipld::Bytes(vec![1, 255])));
        check(&bytes, "0x", Some(&Ipld::Bytes(vec![])));
        check(&bytes, "0x1", None);
        check(&bytes, "AQI=", None);
        let cid = cid_of(codec::RAW, b"content");
        let link = Some(Ipld::Link(cid));
        for ty in [
            Type::Cid,
            bytes,
            Type::option(Type::Cid),
            Type::U8,
            shape(),
            Type::list(Type::Cid),
            Type::flags(names(&["a"])),
        ] {
            check(&ty, &cid.to_string(), link.as_ref());
        }
        check(
            &Type::list(Type::Cid),
            &format!(r#"["{cid}", {{"/": "{cid}"}}]"#),
            Some(&Ipld::List(vec![Ipld::Link(cid), Ipld::Link(cid)])),
        );
        check(&Type::Cid, &format!("\"{cid}\""), link.as_ref());
        check(&Type::Cid, "bafynothing", None);
    }

    /// The message is all the help that there is at that moment.
    #[test]
    fn messages_have_examples() {
        let error = parse_argument("one", &Type::S32).unwrap_err();
        assert!(error.starts_with("`one` is not DAG-JSON: "), "{error}");
        assert!(error.ends_with("; an example is `7`"), "{error}");
        let function = ipvm_wasm::Function {
            name: "f".to_owned(),
            params: vec![("p".to_owned(), shape())],
            result: None,
        };
        let error = function.check(&[Ipld::Null]).unwrap_err();
        let text = explain(&error, &function.params);
        assert!(text.starts_with("argument 1 (p): expected a map"), "{text}");
        assert!(
            text.ends_with(r#"; an example is `{"dot":null}`"#),
            "{text}"
        );
        for ty in [
            Type::Cid,
            Type::String,
            Type::list(Type::F32),
            shape(),
            Type::list(Type::U8),
        ] {
            assert_eq!(parse_argument(&example(&ty), &ty), Ok(ty.example()));
        }
        let many = Type::record((0..100).map(|n| (format!("n{n}"), Type::U8)).collect());
        assert_eq!(wanted(&many), "");
    }
}
