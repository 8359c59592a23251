//! What a plain scalar means: the core schema of YAML 1.2.2 (section 10.3.2), which contains JSON's.

use crate::author::document::Value;
use crate::author::problem::Problem;

/// Largest magnitude of a whole number in the formats: 2^53 − 1 (wire-formats, "Validation" 1).
pub(crate) const MAX_INT: i64 = (1 << 53) - 1;

/// Resolves a plain scalar. What is neither null, bool nor number is text.
pub(crate) fn plain(text: &str) -> Result<Value, Problem> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Err(not_finite(text)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Err(not_finite(text));
    }
    if let Some(digits) = text
        .strip_prefix("0o")
        .filter(|digits| all(digits, |b| (b'0'..=b'7').contains(&b)))
    {
        return integer(i64::from_str_radix(digits, 8).ok(), text);
    }
    if let Some(digits) = text
        .strip_prefix("0x")
        .filter(|digits| all(digits, |b| b.is_ascii_hexdigit()))
    {
        return integer(i64::from_str_radix(digits, 16).ok(), text);
    }
    if all(unsigned, |b| b.is_ascii_digit()) {
        return integer(text.parse().ok(), text);
    }
    if is_float(unsigned) {
        return float(text);
    }
    Ok(Value::Text(text.into()))
}

/// A whole number, if it is in the range that the formats allow.
pub(crate) fn integer(number: Option<i64>, text: &str) -> Result<Value, Problem> {
    match number {
        Some(number) if (-MAX_INT..=MAX_INT).contains(&number) => Ok(Value::Int(number)),
        _ => Err(Problem::IntRange { text: short(text) }),
    }
}

/// A number with a fraction or an exponent.
pub(crate) fn float(text: &str) -> Result<Value, Problem> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Value::Float(number)),
        _ => Err(not_finite(text)),
    }
}

fn not_finite(text: &str) -> Problem {
    Problem::NotFinite { text: short(text) }
}

/// A long number as messages quote it.
fn short(text: &str) -> String {
    const SHOWN: usize = 40;
    if text.len() <= SHOWN {
        text.to_owned()
    } else {
        format!("{}…", text.get(..SHOWN).unwrap_or(text))
    }
}

fn all(text: &str, accept: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(accept)
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(unsigned: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => {
            let (mantissa, rest) = unsigned.split_at(at);
            (mantissa, rest.get(1..))
        }
        None => (unsigned, None),
    };
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => all(fraction, |b| b.is_ascii_digit()),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => all(mantissa, |b| b.is_ascii_digit()),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        all(exponent.strip_prefix(['-', '+']).unwrap_or(exponent), |b| {
            b.is_ascii_digit()
        })
    });
    mantissa_fits && exponent_fits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Breaks: a value in a file would silently be of another type than YAML 1.2 says.
    #[test]
    fn core_schema() {
        let check =
            |text: &str, expect: &str| assert_eq!(format!("{:?}", plain(text)), expect, "{text}");
        for null in ["", "~", "null", "Null", "NULL"] {
            check(null, "Ok(Null)");
        }
        check("True", "Ok(Bool(true))");
        check("FALSE", "Ok(Bool(false))");
        for text in [
            "yes", "no", "on", "tRUE", "1_000", "0b1", "1.2.3", "e3", ".", "-", "+", "-.", "0x",
            "0o8", "1e", "1e+", "+-5", "0x-1",
        ] {
            check(text, &format!("Ok(Text({text:?}))"));
        }
        check("0", "Ok(Int(0))");
        check("-0", "Ok(Int(0))");
        check("+12", "Ok(Int(12))");
        check("007", "Ok(Int(7))");
        check("0o17", "Ok(Int(15))");
        check("0xfF", "Ok(Int(255))");
        check("9007199254740991", "Ok(Int(9007199254740991))");
        check("1.", "Ok(Float(1.0))");
        check(".5", "Ok(Float(0.5))");
        check("-1e3", "Ok(Float(-1000.0))");
        check("1.5E-2", "Ok(Float(0.015))");
        check(
            "9007199254740992",
            "Err(IntRange { text: \"9007199254740992\" })",
        );
        check(
            "99999999999999999999",
            "Err(IntRange { text: \"99999999999999999999\" })",
        );
        check("1e999", "Err(NotFinite { text: \"1e999\" })");
        check("-.INF", "Err(NotFinite { text: \"-.INF\" })");
        check(".nan", "Err(NotFinite { text: \".nan\" })");
    }
}
