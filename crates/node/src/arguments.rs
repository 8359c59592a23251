//! Arguments as typed on a command line.

use ipvm_ipld::{Ipld, Limits, json};
use ipvm_wasm::Type;

/// Reads `text` as a value for a parameter of type `ty`: DAG-JSON; or, where text is expected
/// (string, char, enum), a bare word.
///
/// A string parameter takes `text` as it is unless it is quoted: `5` is the text "5", `"5"` too.
///
/// # Errors
/// What is wrong, in one line.
pub(crate) fn parse_argument(text: &str, ty: &Type) -> Result<Ipld, String> {
    let wants_text = match ty {
        Type::String | Type::Char | Type::Enum(_) => true,
        Type::Option(inner) => {
            text != "null" && matches!(**inner, Type::String | Type::Char | Type::Enum(_))
        }
        _ => false,
    };
    let quoted = text.starts_with('"') || text.starts_with('{');
    if wants_text && !quoted {
        return Ok(Ipld::String(text.to_owned()));
    }
    let value = json::from_str(text, Limits::default())
        .map_err(|error| format!("`{text}` is not DAG-JSON: {error}"))?;
    Ok(match (ty, value) {
        // A whole number is a fine float when it is typed; on the wire it would be an Int.
        (Type::F32 | Type::F64, Ipld::Integer(whole)) => Ipld::Float(whole as f64),
        (_, value) => value,
    })
}

#[cfg(test)]
mod tests {
    //! Without these, what a user types reaches the function as something else.
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn check(ty: &Type, text: &str, expect: Option<&Ipld>) {
        assert_eq!(
            parse_argument(text, ty).ok().as_ref(),
            expect,
            "{text} as {ty}"
        );
    }

    #[test]
    fn words_and_json() {
        let text = |text: &str| Ipld::String(text.to_owned());
        check(&Type::String, "hello world", Some(&text("hello world")));
        check(&Type::String, "\"hello\\n\"", Some(&text("hello\n")));
        check(&Type::String, "5", Some(&text("5")));
        check(&Type::String, "", Some(&text("")));
        check(&Type::option(Type::String), "null", Some(&Ipld::Null));
        check(&Type::option(Type::String), "x", Some(&text("x")));
        check(&Type::S32, "-1", Some(&Ipld::Integer(-1)));
        check(&Type::S32, "one", None);
        check(&Type::F32, "2", Some(&Ipld::Float(2.0)));
        check(&Type::F64, "2.5", Some(&Ipld::Float(2.5)));
        check(
            &Type::list(Type::U8),
            r#"{"/":{"bytes":"AQI"}}"#,
            Some(&Ipld::Bytes(vec![1, 2])),
        );
        check(&Type::list(Type::S32), "[1, 2", None);
    }
}
