//! Policies as people read them.

use ipvm_ipld::Ipld;
use ipvm_ucan::Policy;
use std::collections::BTreeMap;

/// Without it, people would accept a policy whose words say something else.
#[test]
fn in_words() {
    for (short, words) in [
        ("", ""),
        (".a.b != 3", "a.b is there and is not 3"),
        (r#".s like "a*b""#, r#"s begins with "a" and ends with "b""#),
        (r#".s like "a*""#, r#"s begins with "a""#),
        (r#".s like "*b""#, r#"s ends with "b""#),
        (r#".s like "*b*""#, r#"s contains "b""#),
        (
            r#".s like "a*b*""#,
            r#"s is like "a*b*", where * is any text"#,
        ),
        (r#".a["b c"][1:] == 1"#, r#"a["b c"][1:] is 1"#),
        (r#".s like "*""#, "s is any text"),
        (r#".s like "a\\*""#, r#"s is "a*""#),
        (
            r#"any .to: .email == "a" and .n < 3"#,
            r#"for at least one item of to: its email is "a", and n is below 3"#,
        ),
        (
            "not (.a == 1 or .b == 2)",
            "it is not so that (either a is 1, or b is 2)",
        ),
        (".a[0]? >= 2", "a[0] (null if there is none) is at least 2"),
        ("all .: . > 0", "every item of the whole is above 0"),
        ("and()", "nothing is asked"),
        ("or()", "nothing is asked"),
        ("or(.a == 1)", "a is 1"),
        ("and(.a == 1)", "a is 1"),
        ("not or(.a == 1)", "it is not so that a is 1"),
        (".a == 1 or .b == 2", "either a is 1, or b is 2"),
        (
            ".a == 1 or .b == 2 and .c == 3",
            "either a is 1, or (b is 2, and c is 3)",
        ),
    ] {
        assert_eq!(short.parse::<Policy>().unwrap().in_words(), words);
    }
}

/// Without it, a refusal would not say which condition was not met, or say it in a page of text.
#[test]
fn what_is_not_met_is_shown_in_short() {
    let refused = |text: &str| {
        let policy: Policy = text.parse().unwrap();
        let args = Ipld::Map(BTreeMap::new());
        policy.check(&args).unwrap_err().to_string()
    };
    assert!(
        refused(".a == 1").contains(".a == 1"),
        "{}",
        refused(".a == 1")
    );
    let long = refused(&format!(".a == \"{}\"", "é".repeat(500)));
    let shown = long.matches('é').count();
    assert!(long.contains(" …") && (100..200).contains(&shown), "{long}");
}
