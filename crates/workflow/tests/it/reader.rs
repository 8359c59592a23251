//! Properties of the readers: no input makes them panic, and JSON is what it says.

use crate::fake::{build, fake, settings};
use ipvm_ipld::{Ipld, Limits, json};
use ipvm_workflow::author::{compile, parse};
use proptest::prelude::*;
use serde_json::Value;

/// Parsing, and compiling what could be parsed, with and without places.
fn survives(bytes: &[u8]) {
    match parse(bytes) {
        Ok(document) => drop(compile(document, &settings(&["p=1"]), &mut fake())),
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}

/// Any JSON value that the formats can hold.
fn json_value() -> impl Strategy<Value = Value> {
    let key = "[a-z/ \\\\\"é😀]{0,6}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53) + 1..1_i64 << 53).prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(Value::from),
        "[ -~é😀\\n\\t]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The value as IPLD, by another reader than the one under test.
fn expected(value: &Value) -> Ipld {
    match value {
        Value::Null => Ipld::Null,
        Value::Bool(b) => Ipld::Bool(*b),
        Value::Number(n) if n.is_f64() => Ipld::Float(n.as_f64().unwrap()),
        Value::Number(n) => Ipld::Integer(n.as_i64().unwrap().into()),
        Value::String(s) => Ipld::String(s.clone()),
        Value::Array(items) => Ipld::List(items.iter().map(expected).collect()),
        Value::Object(map) => Ipld::Map(
            map.iter()
                .map(|(key, value)| (key.clone(), expected(value)))
                .collect(),
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Breaks: a file could crash the program.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    /// Breaks: a text could crash the program. The letters are those that mean something in YAML and JSON.
    #[test]
    fn any_text(text in "[-\\[\\]{}:,?!&*#|>%@`'\"\\\\ \\n\\tax0.u\u{feff}é]{0,120}") {
        survives(text.as_bytes());
        survives(format!("{{{text}").as_bytes());
        survives(format!("ipvm: \"0.2\"\ntasks: {text}").as_bytes());
    }

    /// Breaks: a file made of the right words could crash the program.
    #[test]
    fn any_words(words in prop::collection::vec(prop::sample::select(&[
        "ipvm: \"0.2\"", "tasks:", "t:", "mod: ./image.wasm", "fun: any", "args:", "each:", "cmd: /msg/send", "{", "}", "[", "]",
        ",", "await:", "await/*:", "item: true", "param: p", "params:", "quote:", "outputs:", "glob: \"*\"", "file: ./photo.jpg", "\n", "\n  ", "\n    ", "- ",
        "t", "config:", "check:", "fuel: 1", "rescue:", "undo:", "meta:", "1", "\"t[0]\"", "x.jpg",
    ][..]), 0..60)) {
        let text = words.join(" ");
        survives(text.as_bytes());
        survives(format!("ipvm: \"0.2\"\n{text}").as_bytes());
    }

    /// Breaks: what a program writes as JSON would reach a function as something else. As YAML it is the same.
    #[test]
    fn json_is_what_it_says(value in json_value(), pretty: bool) {
        let file = serde_json::json!({
            "ipvm": "0.2",
            "tasks": {"t": {"mod": "./image.wasm", "fun": "any", "args": [{"quote": value}]}},
        });
        let text = if pretty { serde_json::to_string_pretty(&file) } else { serde_json::to_string(&file) }.unwrap();
        for text in [text.clone(), format!("# YAML\n{text}")] {
            let compiled = build(&text).unwrap();
            let Ipld::List(args) = &compiled.workflow.steps["t"].task.args["args"] else { panic!() };
            prop_assert_eq!(&args[0], &expected(&value));
        }
    }
}

/// Breaks: escapes that JSON writers use for all that is not ASCII would be refused or garbled.
#[test]
fn json_strings() {
    let check = |escaped: &str, expect: &str| {
        let text = format!(
            r#"{{"ipvm": "0.2", "tasks": {{"t": {{"mod": "./image.wasm", "fun": "any", "args": ["{escaped}"]}}}}}}"#
        );
        let compiled = build(&text).unwrap_or_else(|e| panic!("{escaped}: {e}"));
        let args = &compiled.workflow.steps["t"].task.args["args"];
        assert_eq!(
            *args,
            json::from_str(
                &format!("[{}]", serde_json::to_string(expect).unwrap()),
                Limits::default()
            )
            .unwrap()
        );
    };
    check(r"\ud83d\ude00", "😀");
    check(r"\u00e9\u4e2d", "é中");
    check(r"a\/b\\c\'d".replace(r"\'", "'").as_str(), "a/b\\c'd");
    check(r#"\"\b\f\n\r\t"#, "\"\u{8}\u{c}\n\r\t");
    check("", "");
    check(r"\u0000", "\0");
}

/// Breaks: a place in JSON would be named wrongly.
#[test]
fn json_places() {
    let check = |text: &str, expect: &str| {
        let message = build(text).unwrap_err().to_string();
        assert!(message.starts_with(expect), "{message}");
    };
    check(
        r#"{"é": "😀", "é": 1}"#,
        "1:12: the key \"é\" occurs twice in this map; the first is at 1:2",
    );
    check(
        "{\"ipvm\":\"0.2\",\r\n\t\"tasks\" : [ 1e999 ] }",
        "2:14: the number 1e999 is not finite",
    );
    check("\u{feff}{\"ipvm\": 3}", "1:10: the version 3");
    // Not JSON, but YAML.
    check(
        "{\"ipvm\": \"0.2\", tasks: {t: 1,},}",
        "1:28: a task is expected here",
    );
    // Neither: the YAML reader says so.
    check(
        "{\"ipvm\": \"0.2\", \"tasks\": }}",
        "1:27: this is not YAML",
    );
    check(
        "{\"a\": \"\\ud83d\"}",
        "1:7: this is not YAML: while parsing a quoted scalar, found invalid Unicode",
    );
}
