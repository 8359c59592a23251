//! DAG-JSON: what is written, what is read, and where mistakes are.

use ipvm_ipld::json::{from_str, to_string, to_string_pretty};
use ipvm_ipld::{Ipld, Limits, MAX_DEPTH};

fn round(text: &str, expected: &str) {
    let value = from_str(text, Limits::default()).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(to_string(&value), expected, "{text}");
    assert_eq!(
        from_str(&to_string_pretty(&value), Limits::default()).unwrap(),
        value,
        "{text}, pretty"
    );
}

/// Without it, what the command line prints could not be given back to it.
#[test]
fn canonical_text() {
    for (text, expected) in [
        ("null", "null"),
        (" [ true , false ] ", "[true,false]"),
        ("{}", "{}"),
        ("[]", "[]"),
        (r#"{"b":1,"a":[{"c":{}}]}"#, r#"{"a":[{"c":{}}],"b":1}"#),
        (r#"{"bb":1,"a":2,"c":3}"#, r#"{"a":2,"bb":1,"c":3}"#),
        ("1", "1"),
        ("1.0", "1.0"),
        ("-0", "0"),
        ("1e3", "1000.0"),
        ("1E-7", "1e-7"),
        ("0.1", "0.1"),
        ("0e5", "0.0"),
        ("1e300", "1e300"),
        ("18446744073709551615", "18446744073709551615"),
        ("-18446744073709551616", "-18446744073709551616"),
        (
            r#""\u00e9\n\"\\\/\ud83d\ude00\u0001""#,
            "\"é\\n\\\"\\\\/😀\\u0001\"",
        ),
        (r#"{"/":{"bytes":"AQID"}}"#, r#"{"/":{"bytes":"AQID"}}"#),
        (r#"{ "/" : { "bytes" : "" } }"#, r#"{"/":{"bytes":""}}"#),
        (
            r#"[{"/":"bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"}]"#,
            r#"[{"/":"bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"}]"#,
        ),
        (r#"{"\u002f":{"bytes":"AQ"}}"#, r#"{"/":{"bytes":"AQ"}}"#),
    ] {
        round(text, expected);
    }
}

/// Without it, pretty output could change shape unseen.
#[test]
fn pretty_text() {
    let value = from_str(
        r#"{"a":[1,{"/":{"bytes":"AQ"}}],"b":{},"c":{"d":null}}"#,
        Limits::default(),
    )
    .unwrap();
    let expected = "{\n  \"a\": [\n    1,\n    {\"/\": {\"bytes\": \"AQ\"}}\n  ],\n  \"b\": {},\n  \"c\": {\n    \"d\": null\n  }\n}";
    assert_eq!(to_string_pretty(&value), expected);
}

fn refused(text: &str, line: usize, column: usize, expected: &str) {
    let error = from_str(text, Limits::default()).expect_err(text);
    assert_eq!(
        (error.line, error.column),
        (line, column),
        "{text:?}: {error}"
    );
    assert!(error.to_string().contains(expected), "{text:?}: {error}");
}

/// Without it, a mistake in an argument would be reported without its place, or be accepted as something else.
#[test]
fn mistakes_and_their_places() {
    for (text, column, expected) in [
        ("", 1, "expected a value, found the end"),
        ("nul", 1, "expected a value"),
        ("True", 1, "expected a value"),
        ("[1,]", 4, "expected a value"),
        ("[1 2]", 4, "`,` or `]`"),
        ("[1", 3, "`,` or `]`"),
        ("{\"a\" 1}", 6, "expected `:`"),
        ("{a:1}", 2, "a key in double quotes"),
        ("{\"a\":1,}", 8, "a key in double quotes"),
        ("{\"a\":1", 7, "`,` or `}`"),
        ("1 2", 3, "expected the end"),
        ("\"abc", 1, "it has no end"),
        ("\"abc\\", 1, "it has no end"),
        ("\"a\\x\"", 1, "invalid escape"),
        ("\"\\ud800\"", 1, "wrong string"),
        ("\"a\nb\"", 1, "control character"),
        ("01", 1, "begins with a zero"),
        ("-01", 1, "begins with a zero"),
        ("1.", 1, "not a JSON number"),
        (".5", 1, "expected a value"),
        ("+1", 1, "expected a value"),
        ("-", 1, "not a JSON number"),
        ("1e", 1, "not a JSON number"),
        ("1-2", 1, "not a JSON number"),
        ("1e999", 1, "too large for a float"),
        ("NaN", 1, "expected a value"),
        ("-Infinity", 1, "not a JSON number"),
        ("18446744073709551616", 1, "−2^64 … 2^64 − 1"),
        ("-18446744073709551617", 1, "−2^64 … 2^64 − 1"),
        (r#"{"a":1,"a":2}"#, 8, r#"the key "a" is there twice"#),
        (r#"{"/":1}"#, 2, "reserved"),
        (r#"{"/":"x","a":1}"#, 6, "not a CID"),
        (r#"{"/":{"bytes":"AQ"},"a":1}"#, 2, "reserved"),
        (r#"{"/":{"bytes":"AQ","x":1}}"#, 2, "reserved"),
        (r#"{"a":1,"/":1}"#, 8, "reserved"),
        (r#"{"/":"bafk"}"#, 6, "not a CID"),
        (r#"{"/":{"bytes":"AQ=="}}"#, 15, "base64"),
        (r#"{"/":{"bytes":"A-"}}"#, 15, "base64"),
        (r#"["é", x]"#, 7, "expected a value"),
    ] {
        refused(text, 1, column, expected);
    }
    refused("{\n  \"a\": [\n    1,\n    ?\n", 4, 5, "expected a value");
}

/// Without it, brackets alone could overflow the stack or fill the memory.
#[test]
fn limits() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(from_str(&nested(MAX_DEPTH), Limits::default()).is_ok());
    for text in [
        nested(MAX_DEPTH + 1),
        "[".repeat(200_000),
        "{\"a\":".repeat(200_000),
    ] {
        let error = from_str(&text, Limits::default()).unwrap_err();
        assert!(
            error.to_string().contains("nested deeper than 128"),
            "{error}"
        );
    }
    let narrow = Limits {
        bytes: 10,
        depth: 2,
    };
    assert!(from_str("[\"1234\"]", narrow).is_ok());
    assert!(
        from_str("[\"12345678\"]", narrow)
            .unwrap_err()
            .to_string()
            .contains("12 bytes")
    );
    assert!(from_str("[[1]]", narrow).is_err());
    assert!(
        from_str(
            r#"[{"/":{"bytes":"AQ"}}]"#,
            Limits {
                bytes: 100,
                depth: 2
            }
        )
        .is_ok(),
        "bytes are one level"
    );
    let many = format!("[{}0]", "0,".repeat(ipvm_ipld::MAX_ITEMS));
    assert!(
        from_str(&many, Limits::default())
            .unwrap_err()
            .to_string()
            .contains("more than 1048576 items")
    );
    assert!(
        from_str(&"1".repeat(100_000), Limits::default())
            .unwrap_err()
            .to_string()
            .contains("too long")
    );
}

/// Without it, a float that no codec has could make printing fail.
#[test]
fn floats_without_a_form() {
    assert_eq!(
        to_string(&Ipld::List(vec![
            Ipld::Float(f64::NAN),
            Ipld::Float(f64::INFINITY)
        ])),
        "[null,null]"
    );
}
