//! The policy language: official vectors, each operator and selector, limits, the short form, traps, promises.

use crate::conformance;
use ipvm_ipld::fields::{as_list, as_map};
use ipvm_ipld::{Ipld, Limits, json};
use ipvm_testkit::naive_ucan;
use ipvm_ucan::Policy;
use ipvm_ucan::policy::{
    Comparison, MAX_POLICY_DEPTH, MAX_POLICY_NODES, MAX_SELECTOR_BYTES, MAX_SELECTOR_SEGMENTS,
    Pattern, PolicyError, Selector, Statement, Trap, Truth,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn ipld(text: &str) -> Ipld {
    json::from_str(text, Limits::default()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn policy(text: &str) -> Policy {
    Policy::from_ipld(ipld(text)).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Without it, we would allow what the specification forbids, or the reverse.
#[test]
fn official_vectors() {
    let Some(folder) = conformance::folder("ucan") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("policy.json")).unwrap();
    let mut fixtures = as_map(ipld(&text), "fixtures").unwrap();
    let mut count = 0;
    for (group, valid) in [("valid", true), ("invalid", false)] {
        for fixture in as_list(fixtures.remove(group).unwrap(), group).unwrap() {
            let mut fixture = as_map(fixture, "fixture").unwrap();
            let args = fixture.remove("args").unwrap();
            for text in as_list(fixture.remove("policies").unwrap(), "policies").unwrap() {
                let policy = Policy::from_ipld(text.clone()).unwrap();
                assert_eq!(policy.to_ipld(), text, "written as it was read");
                assert_eq!(policy.check(&args).is_ok(), valid, "{policy}");
                assert_eq!(policy.check_resolved(&args).is_ok(), valid, "{policy}");
                let short: Policy = policy.to_string().parse().unwrap();
                assert_eq!(short, policy, "the short form says the same");
                count += 1;
            }
        }
    }
    assert_eq!(count, 25);
}

const ARGS: &str = r#"{"a":{"b":1,"c d":[10,20,30]},"n":null,"s":"text","list":[1,2.0,[3]],"x":{"k":7},
    "bytes":{"/":{"bytes":"AQIDBA"}},"empty":[],"none":{},"1":"one","ü":"umlaut"}"#;

/// Without it, a selector could find something else than its author meant.
#[test]
fn selectors() {
    let args = ipld(ARGS);
    for (selector, expected) in [
        (".", Some(ARGS)),
        (".?", Some(ARGS)),
        (".s", Some(r#""text""#)),
        (".ü", Some(r#""umlaut""#)),
        (".a.b", Some("1")),
        (r#".a["b"]"#, Some("1")),
        (r#".["a"]["c d"][1]"#, Some("20")),
        (r#".a.["c d"].[1]"#, Some("20")),
        (r#".["1"]"#, Some(r#""one""#)),
        (r#".a["c d"][-1]"#, Some("30")),
        (r#".a["c d"][-3]"#, Some("10")),
        (r#".a["c d"][-4]"#, None),
        (r#".a["c d"][3]"#, None),
        (r#".a["c d"][1:]"#, Some("[20,30]")),
        (r#".a["c d"][:-1]"#, Some("[10,20]")),
        (r#".a["c d"][0:2]"#, Some("[10,20]")),
        (r#".a["c d"][2:1]"#, Some("[]")),
        (r#".a["c d"][-99:99]"#, Some("[10,20,30]")),
        (r#".a["c d"][1:][0]"#, Some("20")),
        (".bytes[2]", Some("3")),
        (".bytes[-1]", Some("4")),
        (".bytes[4]", None),
        (".bytes[1:3]", Some(r#"{"/":{"bytes":"AgM"}}"#)),
        (".x[]", Some("[7]")),
        (".x[][0]", Some("7")),
        (".list[]", Some("[1,2.0,[3]]")),
        (".list[][2][0]", Some("3")),
        (".empty[]", Some("[]")),
        (".s[]", None),
        (".s[0]", None),
        (".s[0:1]", None),
        (".n", Some("null")),
        (".n.a", None),
        (".missing", None),
        (".missing?", Some("null")),
        (".missing???", Some("null")),
        (".missing.b?", None),
        (".missing?.b", None),
        (".missing?.b?", Some("null")),
        (".s[0]?", Some("null")),
        (".list.b", None),
        (".a[0]", None),
    ] {
        let parsed: Selector = selector
            .parse()
            .unwrap_or_else(|e| panic!("{selector}: {e}"));
        assert_eq!(parsed.to_string(), selector);
        let found = parsed.select(&args).value().cloned();
        assert_eq!(found, expected.map(ipld), "{selector}");
        assert_eq!(parsed.select_resolved(&args).value().cloned(), found);
    }
    for (text, what) in [
        ("", "must begin with a dot"),
        ("a", "must begin with a dot"),
        (r#"["a"]"#, "must begin with a dot"),
        ("..", "two dots"),
        (".a..b", "two dots"),
        (".a.", "a dot at the end"),
        (".a b", "no part of a selector"),
        (".1", "no part of a selector"),
        (".a.1", "after a dot comes a key"),
        (".[", "not closed"),
        (".[0", "not closed"),
        (".[\"a]", "not a string"),
        (".[a]", "a key in quotes"),
        (".[01]", "not an index"),
        (".[-0]", "not an index"),
        (".[9007199254740992]", "not an index"),
        (".[:]", "a beginning or an end"),
        (".[1:2:3]", "not closed"),
        (".[ 1]", "a key in quotes"),
        (".a\n", "no part of a selector"),
    ] {
        let error = text.parse::<Selector>().unwrap_err();
        assert!(error.to_string().contains(what), "{text}: {error}");
    }
    for (text, at) in [
        (".a.", 2),
        (".[", 1),
        (".a.[", 3),
        (".a..b", 3),
        (".a[1:x]", 2),
    ] {
        assert_eq!(text.parse::<Selector>().unwrap_err().at, at, "{text}");
    }
    let long = |bytes: usize| format!(".{}", "a".repeat(bytes - 1)).parse::<Selector>();
    long(MAX_SELECTOR_BYTES).unwrap();
    let error = long(MAX_SELECTOR_BYTES + 1).unwrap_err();
    assert_eq!((error.at, error.what), (1024, "longer than 1024 bytes"));
    let deep = |segments: usize| ".a".repeat(segments).parse::<Selector>();
    deep(MAX_SELECTOR_SEGMENTS).unwrap();
    let error = deep(MAX_SELECTOR_SEGMENTS + 1).unwrap_err();
    assert_eq!((error.at, error.what), (129, "more than 64 segments"));
    assert_eq!(Selector::key("a b").unwrap().as_str(), r#".["a b"]"#);
    assert_eq!(Selector::key("uri").unwrap().as_str(), ".uri");
}

/// Without it, an operator could be wrong at an edge that the official vectors do not reach.
#[test]
fn operators() {
    let args = ipld(ARGS);
    for (statement, expected) in [
        (r#"["==",".a.b",1.0]"#, true),
        (r#"["==",".list",[1.0,2,[3.0]]]"#, true),
        (r#"["==",".list",[1,2,[4]]]"#, false),
        (r#"["==",".x",{"k":7.0}]"#, true),
        (r#"["==",".x",{"k":7,"l":8}]"#, false),
        (r#"["==",".x",{"l":7}]"#, false),
        (r#"["==",".n",null]"#, true),
        (r#"["==",".missing",null]"#, false),
        (r#"["==",".missing?",null]"#, true),
        (r#"["!=",".missing",1]"#, false),
        (r#"["!=",".missing?",1]"#, true),
        (r#"["not",["==",".missing",1]]"#, true),
        (r#"["==",".bytes",{"/":{"bytes":"AQIDBA"}}]"#, true),
        (r#"["<",".a.b",1]"#, false),
        (r#"["<=",".a.b",1]"#, true),
        (r#"["<",".a.b",1.0000001]"#, true),
        (r#"[">",".a.b",-1e300]"#, true),
        (r#"["<",".a.b",1e300]"#, true),
        (r#"[">=",".a.b",1.0]"#, true),
        (r#"[">",".s",1]"#, false),
        (r#"["<",".s",1]"#, false),
        (r#"["like",".s","te*"]"#, true),
        (r#"["like",".s","te"]"#, false),
        (r#"["like",".a.b","*"]"#, false),
        (r#"["like",".s","text"]"#, true),
        (r#"["and",[]]"#, true),
        (r#"["or",[]]"#, true),
        (r#"["or",[["==",".s",1]]]"#, false),
        (r#"["all",".empty",["==",".",1]]"#, true),
        (r#"["any",".empty",["==",".",1]]"#, true),
        (r#"["any",".none",["==",".",1]]"#, true),
        (r#"["all",".s",["==",".",1]]"#, false),
        (r#"["any",".s",["==",".",1]]"#, false),
        (r#"["not",["all",".s",["==",".",1]]]"#, true),
        (r#"["all",".x",["==",".",7]]"#, true),
        (r#"["any",".list",["==",".",2]]"#, true),
        (r#"["all",".list",["<",".",3]]"#, false),
        (r#"["any",".list",["any",".",["==",".",3]]]"#, true),
    ] {
        let policy = policy(&format!("[{statement}]"));
        assert_eq!(policy.check(&args).is_ok(), expected, "{statement}");
        let (bytes, wanted) = (
            ipvm_ipld::cbor::encode(&args).unwrap(),
            ipvm_ipld::cbor::encode(&ipld(statement)).unwrap(),
        );
        let naive = naive_ucan::holds(&naive_ucan::read(&wanted).0, &naive_ucan::read(&bytes).0);
        assert_eq!(naive, expected, "{statement}, naively");
    }
    // Where floats cannot tell neighbours apart, the comparison is exact all the same.
    let large = ipld(r#"{"n":9007199254740993}"#);
    assert!(
        policy(r#"[[">",".n",9007199254740992.0]]"#)
            .check(&large)
            .is_ok()
    );
    assert!(
        policy(r#"[["==",".n",9007199254740992.0]]"#)
            .check(&large)
            .is_err()
    );
}

/// Without it, a pattern of stars could keep a verifier busy for hours.
#[test]
fn patterns() {
    for (pattern, text, expected) in [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("**", "a", true),
        ("a*b*c", "abc", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "acb", false),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("*ab", "aab", true),
        ("*a*a*", "a", false),
        ("x*bb*b*", "xbb", false),
        ("x*bb*b*", "xbbb", true),
        ("ab*ab", "abab", true),
        ("ab*ab", "aba", false),
        (r"\*", "*", true),
        (r"\*", "a", false),
        (r"a\b", r"a\b", true),
        (r"\\*", r"\*", true),
        (r"\\*", r"\x", false),
        (r"*\", r"x\", true),
        ("*ü*", "xüx", true),
        ("*.*", "a", false),
    ] {
        let pattern = Pattern::new(pattern).unwrap();
        assert_eq!(pattern.matches(text), expected, "{pattern} on {text}");
    }
    // A matcher that tries every place of every piece would not end here.
    let stars = Pattern::new("*a".repeat(2000)).unwrap();
    let text = "a".repeat(1_000_000);
    assert!(
        !Pattern::new(format!("{}b", stars.as_str()))
            .unwrap()
            .matches(&text)
    );
    assert!(stars.matches(&text));
    assert!(Pattern::new("x".repeat(5000)).is_err());
}

/// Without it, a policy could cost more than anybody foresaw.
#[test]
fn limits() {
    let one = r#"["==",".a",1]"#;
    let many = |n: usize| format!("[{}]", vec![one; n].join(","));
    policy(&many(MAX_POLICY_NODES));
    let refused = |text: &str| Policy::from_ipld(ipld(text)).unwrap_err();
    assert_eq!(refused(&many(MAX_POLICY_NODES + 1)), PolicyError::TooMany);
    let nested = |n: usize| {
        let (open, close) = (r#"["not","#.repeat(n), "]".repeat(n));
        format!("[{open}{one}{close}]")
    };
    policy(&nested(MAX_POLICY_DEPTH - 1));
    assert_eq!(refused(&nested(MAX_POLICY_DEPTH)), PolicyError::TooDeep);
    for op in ["and", "or"] {
        let nested = |n: usize| {
            let (open, close) = (format!(r#"["{op}",["#).repeat(n), "]]".repeat(n));
            format!("[{open}{one}{close}]")
        };
        policy(&nested(MAX_POLICY_DEPTH - 1));
        assert_eq!(refused(&nested(MAX_POLICY_DEPTH)), PolicyError::TooDeep);
    }
    // All of a policy count together, wherever they stand: these are two, and half of the limit in each.
    let halves = |more: usize| {
        let (half, rest) = (MAX_POLICY_NODES / 2, MAX_POLICY_NODES / 2 - 2 + more);
        format!(r#"[["and",{}],["or",{}]]"#, many(half), many(rest))
    };
    assert!(!policy(&halves(0)).is_empty());
    assert!(Policy::none().is_empty());
    assert_eq!(refused(&halves(1)), PolicyError::TooMany);
    // What is put together in memory has the same limits.
    let leaf = policy(&many(1)).statements()[0].clone();
    let flat = |n: usize| Policy::new(vec![Statement::Or(vec![leaf.clone(); n])]);
    flat(MAX_POLICY_NODES - 1).unwrap();
    assert_eq!(flat(MAX_POLICY_NODES), Err(PolicyError::TooMany));
    let tall = |n: usize| {
        let mut tall = leaf.clone();
        (0..n).for_each(|_| tall = Statement::And(vec![tall.clone()]));
        Policy::new(vec![tall])
    };
    tall(MAX_POLICY_DEPTH - 1).unwrap();
    assert_eq!(tall(MAX_POLICY_DEPTH), Err(PolicyError::TooDeep));
    for (text, what) in [
        ("{}", "pol: a list of statements, not a map"),
        ("[1]", "pol[0]: a statement is a list"),
        ("[[]]", "begins with its operator"),
        (r#"[["=",".a",1]]"#, "the operator \"=\" is not known"),
        (r#"[["and"]]"#, "pol[0][1]: and has a list"),
        (
            r#"[["and",[["not"]]]]"#,
            "pol[0][1][0][1]: not lacks a statement",
        ),
        (r#"[["all",".a"]]"#, "pol[0][2]: all lacks a statement"),
        (r#"[["==","a",1]]"#, "pol[0][1]: \"a\" is not a selector"),
        (r#"[["==",".a"]]"#, "lacks a value"),
        (r#"[["==",".a",1,2]]"#, "too many arguments"),
        (r#"[["<",".a","b"]]"#, "compares numbers only"),
        (r#"[["like",".a",1]]"#, "a pattern, a string"),
    ] {
        let error = refused(text).to_string();
        assert!(error.contains(what), "{text}: {error}");
    }
    let order = Statement::Compare(Comparison::Less, Selector::identity(), "b".into());
    assert!(Policy::new(vec![order]).is_err());
}

/// Without it, a policy of a thousand statements over a list of a hundred thousand items could keep a verifier busy.
#[test]
fn steps() {
    let list = Ipld::List((0..200_000).map(Ipld::from).collect());
    let long = Ipld::String("x".repeat(1 << 20));
    let texts = Ipld::List(vec![Ipld::Null, long.clone()]);
    let map = (0..20_000).map(|n| (n.to_string(), Ipld::Null)).collect();
    let args = [
        ("list", list),
        ("long", long),
        ("texts", texts),
        ("maps", Ipld::List(vec![Ipld::Null, Ipld::Map(map)])),
    ];
    let args = Ipld::Map(args.map(|(key, value)| (key.to_owned(), value)).into());
    let statement = |text: &str| text.parse::<Policy>().unwrap().statements()[0].clone();
    for heavy in [
        "all .list: . >= 0",
        ".list[1:] != 1",
        "any .[][0]: . == -1 or . >= 0 and . < -1",
        r#".long like "x*x""#,
        ".texts[1:] != 1",
        ".maps[1:] != 1",
    ] {
        let one = Policy::new(vec![statement(heavy)]).unwrap();
        let found = one.check(&args);
        assert!(
            found.is_ok() || !found.unwrap_err().too_large,
            "one is checked: {heavy}"
        );
    }
    let bytes = Ipld::Bytes(vec![0; 1 << 20]);
    let args = match args {
        Ipld::Map(map) => {
            let more = [("bytes".to_owned(), bytes)];
            Ipld::Map(map.into_iter().chain(more).collect())
        }
        other => other,
    };
    for heavy in [
        "all .list: . >= 0",
        ".list[1:] != 1",
        // What is copied, and what is looked through, is counted too.
        ".bytes[1:] != 1",
        ".texts[1:] != 1",
        ".maps[1:] != 1",
        r#".long like "x*x""#,
    ] {
        let many = Policy::new(vec![statement(heavy); MAX_POLICY_NODES / 2]).unwrap();
        let given_up = many.check(&args).unwrap_err();
        assert!(given_up.too_large, "{heavy}: {given_up}");
        assert!(given_up.to_string().contains("steps"));
    }
}

/// Without it, an error in a policy that somebody writes would not say where it is.
#[test]
fn the_short_form() {
    for (short, long) in [
        ("", "[]"),
        (r#".a == 1"#, r#"[["==",".a",1]]"#),
        (r#".a==1;.b!=2;"#, r#"[["==",".a",1],["!=",".b",2]]"#),
        (
            r#".uri like "https://*" and not (.n < 3 or .n > 5)"#,
            r#"[["and",[["like",".uri","https://*"],["not",["or",[["<",".n",3],[">",".n",5]]]]]]]"#,
        ),
        (
            ".a == 1 or .b == 2 and .c == 3",
            r#"[["or",[["==",".a",1],["and",[["==",".b",2],["==",".c",3]]]]]]"#,
        ),
        (
            "all .to: any .x: . >= -1.5e3",
            r#"[["all",".to",["any",".x",[">=",".",-1500.0]]]]"#,
        ),
        (
            "and() ; or(.a == true)",
            r#"[["and",[]],["or",[["==",".a",true]]]]"#,
        ),
        (
            "((.a == [1, {\"b\": \"]\"}]))",
            r#"[["==",".a",[1,{"b":"]"}]]]"#,
        ),
        (
            r#"not all .["x y"][0]?: . == {"/":{"bytes":"AQ"}}"#,
            r#"[["not",["all",".[\"x y\"][0]?",["==",".",{"/":{"bytes":"AQ"}}]]]]"#,
        ),
    ] {
        let parsed: Policy = short.parse().unwrap_or_else(|e| panic!("{short}: {e}"));
        assert_eq!(parsed, policy(long), "{short}");
        assert_eq!(parsed.to_string().parse::<Policy>().unwrap(), parsed);
    }
    for (text, expected) in [
        (".a", "line 1, column 3: expected `==`"),
        (".a == ", "line 1, column 7: expected a value"),
        (".a = 1", "line 1, column 4: expected `==`"),
        (
            ".a == 1\n  .b == 2",
            "line 2, column 3: expected `and`, `or`, `;` or the end",
        ),
        (
            ".a == 1;\nuri == 2",
            "line 2, column 1: expected a selector",
        ),
        ("(.a == 1", "line 1, column 9: expected `and`, `or` or `)`"),
        (".a like 3", "line 1, column 9: `like` has a pattern"),
        (".a < \"x\"", "line 1, column 6: `<` compares numbers only"),
        (".a == 01", "line 1, column 7: not a value"),
        ("all .a . == 1", "line 1, column 8: expected `:`"),
        (".a == 1 and", "line 1, column 12: expected a selector"),
        (".ü == \"", "line 1, column 7: not a value"),
        (".a..b == 1", "line 1, column 4: two dots"),
        ("not_a == 1", "line 1, column 1: expected a selector"),
        ("nota == 1", "line 1, column 1: expected a selector"),
        ("uri ==", "line 1, column 1: expected a selector"),
    ] {
        let error = text.parse::<Policy>().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
    for (text, found) in [
        (
            "a_rather_long_word_there == 1",
            r#"but found "a_rather_long_word_t""#,
        ),
        (".a ", "but found the end"),
    ] {
        let error = text.parse::<Policy>().unwrap_err().to_string();
        assert!(error.contains(found), "{text:?}: {error}");
    }
    // Parentheses make no statements, and are counted all the same, those that are open.
    let nested = |n: usize| format!("{}.a == 1{}", "(".repeat(n), ")".repeat(n)).parse::<Policy>();
    nested(127).unwrap();
    let error = nested(128).unwrap_err().to_string();
    assert!(error.contains("nested deeper than 128 levels"), "{error}");
    let beside = vec!["(.a == 1)"; 500].join(" and ");
    assert_eq!(beside.parse::<Policy>().unwrap().statements().len(), 1);
    let long = |bytes: usize| format!(".a == 1{}", " ".repeat(bytes - 7)).parse::<Policy>();
    long(65_536).unwrap();
    let error = long(65_537).unwrap_err().to_string();
    assert!(error.contains("longer than 65536 bytes"), "{error}");
    let deep = format!("{}.a == 1", "(".repeat(100_000));
    assert!(deep.parse::<Policy>().is_err());
    let deep = format!("{}.a == 1", "not ".repeat(10_000));
    assert!(deep.parse::<Policy>().is_err());
}

/// Without it, somebody would give away more than they meant, and nothing would have told them.
#[test]
fn traps() {
    let mut explained = BTreeMap::new();
    for (short, expected) in [
        (r#".uri like "https://example.com/*""#, vec![]),
        (r#"not .a == 1"#, vec![("pol[0]", Trap::NotOverMissing)]),
        ("not . == 1", vec![]),
        ("not .a? == 1", vec![]),
        ("not not .a == 1", vec![]),
        (
            "not not not .a == 1",
            vec![("pol[0][1][1]", Trap::NotOverMissing)],
        ),
        ("not all .: .a == 1", vec![("pol[0]", Trap::NotOverMissing)]),
        (
            "not any .to: . == 1",
            vec![("pol[0]", Trap::NotOverMissing)],
        ),
        (
            r#"any .to: . like "*@a.b""#,
            vec![("pol[0]", Trap::EmptyAny)],
        ),
        (
            r#"all .to: . like "*@a.b""#,
            vec![("pol[0]", Trap::EmptyAll)],
        ),
        ("or()", vec![("pol[0]", Trap::EmptyOr)]),
        ("and()", vec![("pol[0]", Trap::EmptyAnd)]),
        (".a == 1; .a == 2", vec![("pol[1]", Trap::Contradiction)]),
        (
            ".a < 3 and .a > 3",
            vec![("pol[0][1][1]", Trap::Contradiction)],
        ),
        (
            r#".a == "x"; .a like "y*""#,
            vec![("pol[1]", Trap::Contradiction)],
        ),
        (
            "not .a == 1; .a == 1",
            vec![
                ("pol[1]", Trap::Contradiction),
                ("pol[0]", Trap::NotOverMissing),
            ],
        ),
        (
            ".a == 1; not .a == 1",
            vec![
                ("pol[1]", Trap::Contradiction),
                ("pol[1]", Trap::NotOverMissing),
            ],
        ),
        (
            "not .a == 1; .b == 1",
            vec![("pol[0]", Trap::NotOverMissing)],
        ),
        (".a == 1; .b == 2", vec![]),
        (r#".a == "x"; .b like "y*""#, vec![]),
        (r#".a == "yes"; .a like "y*""#, vec![]),
        (r#".a like "y*"; .a != "x""#, vec![]),
        (
            r#".a like "y*"; .a < 1"#,
            vec![("pol[1]", Trap::Contradiction)],
        ),
        (
            r#".a == 1; .a like "y*""#,
            vec![("pol[1]", Trap::Contradiction)],
        ),
        (
            r#".a == "x"; .a >= 3"#,
            vec![("pol[1]", Trap::Contradiction)],
        ),
        (
            r#".a == "x"; .a < 3"#,
            vec![("pol[1]", Trap::Contradiction)],
        ),
        (
            ".a == 1 or .a == 1",
            vec![("pol[0][1][1]", Trap::Unreachable)],
        ),
        (".a == 1 or .b == 1", vec![]),
        (
            "and() or .a == 1",
            vec![
                ("pol[0][1][1]", Trap::Unreachable),
                ("pol[0][1][0]", Trap::EmptyAnd),
            ],
        ),
        (
            "or() and .a == 1 or .b == 1",
            vec![("pol[0][1][0][1][0]", Trap::EmptyOr)],
        ),
        (
            "or() or .a == 1",
            vec![
                ("pol[0][1][1]", Trap::Unreachable),
                ("pol[0][1][0]", Trap::EmptyOr),
            ],
        ),
        (".a[].b == 1", vec![("pol[0]", Trap::NeverFound)]),
        (".a[1:].b == 1", vec![("pol[0]", Trap::NeverFound)]),
        (".a[].b? == 1", vec![]),
        (".a[][0] == 1", vec![]),
        (".a.b == 1", vec![]),
        (
            r#".uri like "https://example.com*""#,
            vec![("pol[0]", Trap::OpenPrefix)],
        ),
        (
            r#".host like "*example.com""#,
            vec![("pol[0]", Trap::OpenSuffix)],
        ),
        (r#".to like "*@example.com""#, vec![]),
        (r#".name like "*.png""#, vec![]),
        (r#".s like "x""#, vec![("pol[0]", Trap::NoWildcard)]),
        (".a? != 1", vec![("pol[0]", Trap::OptionalNotEqual)]),
    ] {
        let warnings = short.parse::<Policy>().unwrap().warnings();
        let found: Vec<_> = warnings.iter().map(|w| (w.at.as_str(), w.trap)).collect();
        assert_eq!(found, expected, "{short}");
        for warning in warnings {
            let explanation = warning.trap.explanation();
            let said = format!("{}, `{}`: {explanation}", warning.at, warning.statement);
            assert_eq!(warning.to_string(), said);
            explained.insert(explanation, warning.trap);
        }
    }
    assert_eq!(explained.len(), 12, "each trap is found and explained");
}

/// Without it, a contradiction could be claimed where there is none, or missed.
#[test]
fn contradictions_of_numbers() {
    let values = [0.0, 0.5, 1.0, 1.5, 2.0];
    for (x, a) in Comparison::ALL
        .iter()
        .flat_map(|op| values.map(|v| (*op, v)))
    {
        for (y, b) in Comparison::ALL
            .iter()
            .flat_map(|op| values.map(|v| (*op, v)))
        {
            let statement = |op, v: f64| Statement::Compare(op, ".n".parse().unwrap(), v.into());
            let both = Policy::new(vec![statement(x, a), statement(y, b)]).unwrap();
            let possible = (-10..30).any(|quarter| {
                let args =
                    Ipld::Map([("n".to_owned(), Ipld::Float(f64::from(quarter) / 8.0))].into());
                both.check(&args).is_ok()
            });
            let warned = both
                .warnings()
                .iter()
                .any(|w| w.trap == Trap::Contradiction);
            assert_eq!(warned, !possible, "{both}");
        }
    }
}

/// Without it, a promise would be taken for data, and refused or let through before anybody knows what it gives.
#[test]
fn promises() {
    const LINK: &str = r#"{"/":"bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq"}"#;
    let args = ipld(&format!(
        r#"{{"p":{{"await/ok":{LINK}}},"list":[1,{{"await/*":{LINK}}}],"known":1,"data":{{"await/ok":2}}}}"#
    ));
    for (short, expected) in [
        (".p == 1", Some(Truth::Unknown)),
        (".p.deep[3] == 1", Some(Truth::Unknown)),
        (".p? != 1", Some(Truth::Unknown)),
        (r#".p like "x*""#, Some(Truth::Unknown)),
        (".p > 1", Some(Truth::Unknown)),
        ("all .p: . == 1", Some(Truth::Unknown)),
        ("not .p == 1", Some(Truth::Unknown)),
        (".list == [1, 2]", Some(Truth::Unknown)),
        (".list == [2, 2]", None),
        (".list == [1]", None),
        (".list[0] == 1", Some(Truth::True)),
        ("all .list: . == 1", Some(Truth::Unknown)),
        ("all .list: . == 2", None),
        ("any .list: . == 1", Some(Truth::True)),
        ("any .list: . == 2", Some(Truth::Unknown)),
        (".known == 1 and .p == 1", Some(Truth::Unknown)),
        (".known == 2 and .p == 1", None),
        (".known == 1 or .p == 1", Some(Truth::True)),
        (".known == 2 or .p == 1", Some(Truth::Unknown)),
        (r#".data["await/ok"] == 2"#, Some(Truth::True)),
    ] {
        let policy: Policy = short.parse().unwrap();
        assert_eq!(policy.check(&args).ok(), expected, "{short}");
    }
    // Once all is resolved, what looks like a promise came out of a receipt: it is data.
    let policy: Policy = ".p == 1".parse().unwrap();
    assert!(policy.check_resolved(&args).is_err());
}

fn selectors_of_tests() -> impl Strategy<Value = Selector> {
    proptest::sample::select(vec![
        ".",
        ".a",
        ".a.b",
        r#".["x y"]"#,
        ".a[0]",
        ".a[-1:]",
        ".a[]",
        ".ü?",
        ".a?.b?",
    ])
    .prop_map(|text| text.parse().unwrap())
}

fn values_of_tests() -> impl Strategy<Value = Ipld> {
    prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        any::<i64>().prop_map(Ipld::from),
        (-1e9..1e9_f64).prop_map(Ipld::Float),
        ".{0,12}".prop_map(Ipld::String),
        proptest::collection::vec(any::<u8>(), 0..5).prop_map(Ipld::Bytes),
    ]
}

fn statements() -> impl Strategy<Value = Statement> {
    let number = prop_oneof![
        any::<i64>().prop_map(Ipld::from),
        (-1e9..1e9_f64).prop_map(Ipld::Float)
    ];
    let leaf = prop_oneof![
        (any::<bool>(), selectors_of_tests(), values_of_tests()).prop_map(|(equal, s, v)| {
            let op = if equal {
                Comparison::Equal
            } else {
                Comparison::NotEqual
            };
            Statement::Compare(op, s, v)
        }),
        (2..6_usize, selectors_of_tests(), number).prop_map(|(op, s, v)| Statement::Compare(
            Comparison::ALL[op],
            s,
            v
        )),
        (selectors_of_tests(), ".{0,12}")
            .prop_map(|(s, p)| Statement::Like(s, Pattern::new(p).unwrap())),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Statement::And),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Statement::Or),
            inner.clone().prop_map(|s| Statement::Not(Box::new(s))),
            (selectors_of_tests(), inner.clone()).prop_map(|(s, i)| Statement::All(s, Box::new(i))),
            (selectors_of_tests(), inner).prop_map(|(s, i)| Statement::Any(s, Box::new(i))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Without it, a policy could change on its way through the forms in which people see it.
    #[test]
    fn all_forms_say_the_same(all in proptest::collection::vec(statements(), 0..4)) {
        let policy = Policy::new(all).unwrap();
        prop_assert_eq!(&Policy::from_ipld(policy.to_ipld()).unwrap(), &policy);
        prop_assert_eq!(&policy.to_string().parse::<Policy>().unwrap(), &policy, "{}", policy);
        let text = json::to_string(&policy.to_ipld());
        prop_assert_eq!(Policy::from_ipld(ipld(&text)).unwrap(), policy);
    }

    /// Without it, patterns could match what trying everything does not.
    #[test]
    fn patterns_are_those_of_the_naive_validator(pattern in r"[ab*\\]{0,7}", text in r"[ab*\\]{0,9}") {
        let statement = Ipld::List(vec!["like".into(), ".".into(), pattern.clone().into()]);
        let read = |value: &Ipld| naive_ucan::read(&ipvm_ipld::cbor::encode(value).unwrap()).0;
        let naive = naive_ucan::holds(&read(&statement), &read(&text.clone().into()));
        prop_assert_eq!(Pattern::new(pattern).unwrap().matches(&text), naive);
    }
}
