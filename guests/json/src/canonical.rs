//! The canonical form of a document (JCS, RFC 8785).

use serde_json::{Number, Value};

use crate::document;
use crate::problem::{Problem, check};

/// The canonical form.
///
/// # Errors
/// A document that is none, and a whole number that a double cannot hold.
pub fn canonical(document: &[u8]) -> Result<Vec<u8>, Problem> {
    let value = document::read(document)?;
    let mut out = String::with_capacity(document.len());
    write(&value, &mut out)?;
    check("bytes", out.len(), document::MAX_BYTES)?;
    Ok(out.into_bytes())
}

fn write(value: &Value, out: &mut String) -> Result<(), Problem> {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write(item, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            // Section 3.2.3: by UTF-16 code units, which is another order than that of UTF-8 bytes.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
            out.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write(value, out)?;
            }
            out.push('}');
        }
        Value::Number(number) => {
            out.push_str(ryu_js::Buffer::new().format_finite(double(number)?));
        }
        // Texts are escaped as section 3.2.2.2 has it.
        plain => out.push_str(&plain.to_string()),
    }
    Ok(())
}

/// The number as a double, if it is one.
fn double(number: &Number) -> Result<f64, Problem> {
    let refused = || Problem::Number(number.to_string());
    let double = number.as_f64().ok_or_else(refused)?;
    let exact = match (number.as_u64(), number.as_i64()) {
        // In 128 bits nothing is rounded on the way back.
        (Some(whole), _) => double as i128 == i128::from(whole),
        (None, Some(whole)) => double as i128 == i128::from(whole),
        (None, None) => true,
    };
    if exact { Ok(double) } else { Err(refused()) }
}
