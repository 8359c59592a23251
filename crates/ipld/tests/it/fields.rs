//! Maps with known keys.

use ipvm_ipld::fields::{
    FieldError, Fields, as_bool, as_bytes, as_int, as_link, as_links, as_list, as_map, as_string,
    as_unsigned,
};
use ipvm_ipld::{Ipld, Limits, json};

fn value(text: &str) -> Ipld {
    json::from_str(text, Limits::default()).unwrap()
}

fn fields(text: &str) -> Fields {
    Fields::new(value(text), "thing").unwrap()
}

/// Without it, a wrong token or workflow would be refused without naming the field.
#[test]
fn messages_name_the_field() {
    let mut f =
        fields(r#"{"s": 1, "n": null, "big": 9223372036854775808, "neg": -1, "links": [1]}"#);
    let check = |error: FieldError, expected: &str| assert_eq!(error.to_string(), expected);
    check(
        f.required("absent").unwrap_err(),
        r#"thing lacks the key "absent""#,
    );
    check(
        f.get("s", as_string).unwrap_err(),
        "thing.s must be a string, but is an int",
    );
    check(
        f.get_optional("n", as_int).unwrap_err(),
        "thing.n must be an int, but is null",
    );
    let range = "thing.big is 9223372036854775808, outside the range -9223372036854775808 … 9223372036854775807";
    check(f.get("big", as_int).unwrap_err(), range);
    check(
        f.get("neg", as_unsigned).unwrap_err(),
        "thing.neg is -1, outside the range 0 … 18446744073709551615",
    );
    check(
        f.get("links", as_links).unwrap_err(),
        "thing.links[0] must be a link, but is an int",
    );
    check(
        Fields::new(Ipld::Null, "thing").unwrap_err(),
        "thing must be a map, but is null",
    );
    let unknown = r#"thing has the unknown key "extra"; remove it or check its spelling"#;
    check(fields(r#"{"extra": 1}"#).finish().unwrap_err(), unknown);
}

/// Without it, a converter could give another kind of value.
#[test]
fn converters() {
    let mut f = fields(
        r#"{"b": true, "s": "x", "y": {"/":{"bytes":"AQ"}}, "i": -1, "u": 18446744073709551615, "l": [1], "m": {"k": 1},
            "c": {"/": "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"}}"#,
    );
    assert!(f.get("b", as_bool).unwrap());
    assert_eq!(f.get("s", as_string).unwrap(), "x");
    assert_eq!(f.get("y", as_bytes).unwrap(), [1]);
    assert_eq!(f.get("i", as_int).unwrap(), -1);
    assert_eq!(f.get("u", as_unsigned).unwrap(), u64::MAX);
    assert_eq!(f.get("l", as_list).unwrap(), [Ipld::Integer(1)]);
    assert_eq!(f.get("m", as_map).unwrap().len(), 1);
    assert_eq!(f.get("c", as_link).unwrap().codec(), 0x55);
    assert_eq!(f.get_optional("absent", as_bool).unwrap(), None);
    assert_eq!(f.optional("b"), None, "taken out already");
    f.finish().unwrap();
}
