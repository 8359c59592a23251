//! What users rely on when they hand JSON to one of the functions. Without these, an update of a
//! library could change results, or let a document past a limit, unnoticed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ipvm_guest_json::document::{MAX_BYTES, MAX_LEVELS, MAX_VALUES};
use ipvm_guest_json::problem::Problem;
use ipvm_guest_json::{canonical, change, document, path, table, template};

type Answer = Result<Vec<u8>, Problem>;

fn text(answer: Answer) -> String {
    answer.map_or_else(
        |problem| format!("! {problem}"),
        |bytes| String::from_utf8(bytes).unwrap(),
    )
}

const SHOP: &str = r#"{"books": [
    {"title": "Moby Dick", "price": 8.99, "tags": ["sea", "whale"]},
    {"title": "Emma", "price": 5, "author": {"name": "Austen"}},
    {"title": "Faust", "price": 12.5, "tags": []}
], "open": true}"#;

#[test]
fn queries_are_those_of_the_specification() {
    let cases = [
        ("$.open", "[true]"),
        ("$.none", "[]"),
        ("$.books[*].title", r#"["Moby Dick","Emma","Faust"]"#),
        ("$.books[-1].title", r#"["Faust"]"#),
        ("$.books[0:3:2]['price']", "[8.99,12.5]"),
        ("$..name", r#"["Austen"]"#),
        ("$.books[?@.price < 10].title", r#"["Moby Dick","Emma"]"#),
        ("$.books[?@.author && !@.tags].title", r#"["Emma"]"#),
        ("$.books[?length(@.tags) > 1].title", r#"["Moby Dick"]"#),
        ("$.books[?count(@.*) == 3].price", "[8.99,5,12.5]"),
        ("$.books[?match(@.title, 'M.*')].price", "[8.99]"),
        ("$.books[?search(@.title, 'au')].price", "[12.5]"),
        ("$.books[?value(@..name) == 'Austen'].price", "[5]"),
        ("$.books[0,1].price", "[8.99,5]"),
    ];
    for (query, expect) in cases {
        assert_eq!(text(path::query(SHOP.as_bytes(), query)), expect, "{query}");
    }
    let places = path::locate(SHOP.as_bytes(), "$.books[?@.price > 6]").unwrap();
    assert_eq!(places, ["$['books'][0]", "$['books'][2]"]);
}

#[test]
fn paths_that_are_none_are_refused() {
    for query in ["", "books", "$.", "$[", "$[?@.a ==]", "$[?none(@)]"] {
        let refused = path::query(b"{}", query);
        assert!(
            matches!(refused, Err(Problem::Path { .. })),
            "{query}: {refused:?}"
        );
    }
    let deep = format!("$[?{}@.a{}]", "(".repeat(100), ")".repeat(100));
    let nots = format!("$[?{}@.a]", "!".repeat(100));
    let long = format!("${}", ".a".repeat(1000));
    for query in [deep, nots, long] {
        assert!(
            matches!(path::query(b"{}", &query), Err(Problem::TooMuch { .. })),
            "{query}"
        );
    }
}

#[test]
fn templates_select_rename_and_map() {
    let cases = [
        (r#""$.open""#, "true"),
        (r#""$.none""#, "null"),
        (r#""$$5""#, r#""$5""#),
        (
            r#"{"is-open": "$.open", "gone": "$.none", "v": 1}"#,
            r#"{"is-open":true,"v":1}"#,
        ),
        (r#"["$.none", "$.books[1].title"]"#, r#"[null,"Emma"]"#),
        (r#""$.books[*].price""#, "[8.99,5,12.5]"),
        (
            r#"{"$each": "$.books[?@.price > 6]", "as": {"name": "$.title", "first": "$.tags[0]"}}"#,
            r#"[{"first":"sea","name":"Moby Dick"},{"name":"Faust"}]"#,
        ),
        (
            r#"{"$each": "$.books[*]", "as": {"$first": "$.author.name", "else": "anonymous"}}"#,
            r#"["anonymous","Austen","anonymous"]"#,
        ),
        (r#"{"$count": "$.books[*].tags[*]"}"#, "2"),
        (
            r#"{"$join": "$.books[*]['title', 'price']", "with": "; "}"#,
            r#""Moby Dick; 8.99; Emma; 5; Faust; 12.5""#,
        ),
        (
            r#"{"$each": "$.books[0]", "as": {"$each": "$.tags[*]", "as": "$"}}"#,
            r#"[["sea","whale"]]"#,
        ),
    ];
    for (rule, expect) in cases {
        assert_eq!(
            text(template::transform(SHOP.as_bytes(), rule)),
            expect,
            "{rule}"
        );
    }
}

#[test]
fn templates_that_ask_for_more_are_refused_with_their_place() {
    let cases = [
        (
            r#"{"a": {"$each": "$.x"}}"#,
            "template /a: $each needs `as`, and no `else`",
        ),
        (
            r#"{"a/b": [{"$map": "$.x"}]}"#,
            "template /a~1b/0: $map is not $each, $first, $count or $join",
        ),
        (r#"{"$count": 5}"#, "template : $count needs a path"),
        (
            r#"{"$count": "$", "b": 1}"#,
            "template : b does not belong to $count",
        ),
        (
            r#"{"$first": "$"}"#,
            "template : $first needs `else`, and no `as`",
        ),
        (
            r#"{"$join": "$[*]"}"#,
            "template : $join needs a text `with`",
        ),
        ("{", "line 1, column 1: EOF while parsing an object"),
    ];
    for (rule, expect) in cases {
        assert_eq!(
            text(template::transform(b"{}", rule)),
            format!("! {expect}"),
            "{rule}"
        );
    }
    // A list of 1,200 copies of a thousand values.
    let wide = format!("[{}]", vec![r#""$""#; 1200].join(","));
    let rows = format!("[{}]", vec!["0"; 1000].join(","));
    let refused = template::transform(rows.as_bytes(), &wide);
    assert!(
        matches!(refused, Err(Problem::TooMuch { what: "values", .. })),
        "{refused:?}"
    );
}

#[test]
fn patches_are_those_of_rfc_6902() {
    let cases = [
        (
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/baz","value":"qux"}]"#,
            r#"{"baz":"qux","foo":"bar"}"#,
        ),
        (
            r#"{"foo":["bar","baz"]}"#,
            r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
            r#"{"foo":["bar","qux","baz"]}"#,
        ),
        (
            r#"{"a":1,"b":2}"#,
            r#"[{"op":"remove","path":"/a"}]"#,
            r#"{"b":2}"#,
        ),
        (
            r#"{"a":1}"#,
            r#"[{"op":"replace","path":"/a","value":[]}]"#,
            r#"{"a":[]}"#,
        ),
        (
            r#"{"a":{"b":1},"c":{}}"#,
            r#"[{"op":"move","from":"/a/b","path":"/c/d"}]"#,
            r#"{"a":{},"c":{"d":1}}"#,
        ),
        (
            r#"{"a":[1]}"#,
            r#"[{"op":"copy","from":"/a","path":"/a/-"}]"#,
            r#"{"a":[1,[1]]}"#,
        ),
        (
            r#"{"~/":1}"#,
            r#"[{"op":"test","path":"/~0~1","value":1}]"#,
            r#"{"~/":1}"#,
        ),
    ];
    for (before, patch, expect) in cases {
        assert_eq!(
            text(change::patch(before.as_bytes(), patch.as_bytes())),
            expect,
            "{patch}"
        );
    }
    let refused = [
        (r#"{}"#, "patch"),
        (
            r#"[{"op":"test","path":"","value":{}},{"op":"remove","path":"/none"}]"#,
            "1",
        ),
        (r#"[{"op":"test","path":"","value":1}]"#, "0"),
        (r#"[{"op":"jump","path":""}]"#, "0"),
    ];
    for (patch, place) in refused {
        match change::patch(b"{}", patch.as_bytes()) {
            Err(Problem::Operation { at, .. }) => assert_eq!(at, place, "{patch}"),
            other => panic!("{patch}: {other:?}"),
        }
    }
}

#[test]
fn a_patch_cannot_blow_up_a_document() {
    let double = vec![r#"{"op":"copy","from":"","path":"/-"}"#; 100];
    let refused = change::patch(b"[1]", format!("[{}]", double.join(",")).as_bytes());
    assert!(
        matches!(refused, Err(Problem::TooMuch { what: "values", .. })),
        "{refused:?}"
    );
    let deeper = [r#"{"op":"move","from":"","path":"/a"}"#; 2];
    assert!(change::patch(b"{}", format!("[{}]", deeper.join(",")).as_bytes()).is_err());
    let nest: Vec<_> = (0..130)
        .map(|level| {
            format!(
                r#"{{"op":"add","path":"{}/a","value":{{}}}}"#,
                "/a".repeat(level)
            )
        })
        .collect();
    let refused = change::patch(b"{}", format!("[{}]", nest.join(",")).as_bytes());
    assert!(
        matches!(refused, Err(Problem::TooMuch { what: "levels", .. })),
        "{refused:?}"
    );
}

#[test]
fn merges_are_those_of_rfc_7396() {
    let cases = [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (
            r#"{"a":{"b":"c"}}"#,
            r#"{"a":{"b":"d","c":null}}"#,
            r#"{"a":{"b":"d"}}"#,
        ),
        ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#),
        ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ];
    for (before, patch, expect) in cases {
        assert_eq!(
            text(change::merge(before.as_bytes(), patch.as_bytes())),
            expect,
            "{patch}"
        );
    }
}

#[test]
fn a_difference_is_the_patch_between_two_documents() {
    let documents = [
        SHOP,
        "{}",
        "[]",
        "[1,[2,{\"a\":null}]]",
        "[[2],1,3]",
        r#"{"books":[{"title":"Emma"}]}"#,
        "null",
    ];
    for before in documents {
        for to in documents {
            let patch = change::diff(before.as_bytes(), to.as_bytes()).unwrap();
            let after = change::patch(before.as_bytes(), &patch).unwrap();
            assert_eq!(
                after,
                document::write(&document::read(to.as_bytes()).unwrap()).unwrap()
            );
        }
        assert_eq!(
            text(change::diff(before.as_bytes(), before.as_bytes())),
            "[]"
        );
    }
}

#[test]
fn the_canonical_form_is_that_of_rfc_8785() {
    let cases = [
        // Section 3.2.2 and 3.2.3 of the RFC.
        (
            r#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
                "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#,
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
             \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
        ),
        (
            r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#,
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}",
        ),
        (
            "[-0, -0.0, 1e21, 100000000000000000000, 9007199254740992]",
            "[0,0,1e+21,100000000000000000000,9007199254740992]",
        ),
        (
            "9007199254740993",
            "! the number 9007199254740993 has no canonical form: a double cannot hold it, so write it as text",
        ),
    ];
    for (given, expect) in cases {
        assert_eq!(text(canonical::canonical(given.as_bytes())), expect);
    }
}

#[test]
fn tables_come_and_go() {
    let list = r#"[{"b":"x, \"y\"","a":1.5},{"a":null,"c":[1]},{"a":true,"b":"two\nlines"}]"#;
    let columns = ["c".to_owned(), "a".to_owned()];
    assert_eq!(
        text(table::to_csv(list.as_bytes(), &columns)),
        "c,a\r\n,1.5\r\n[1],\r\n,true\r\n"
    );
    let csv = "a,b,c\r\n1.5,\"x, \"\"y\"\"\",\r\n,,[1]\r\ntrue,\"two\nlines\",\r\n";
    assert_eq!(text(table::to_csv(list.as_bytes(), &[])), csv);
    assert_eq!(
        text(table::from_csv(csv.as_bytes(), true)),
        r#"[{"a":1.5,"b":"x, \"y\"","c":null},{"a":null,"b":null,"c":"[1]"},{"a":true,"b":"two\nlines","c":null}]"#
    );
    let cases = [
        (
            "n\n007\n-5\n+49\n1e2\nNaN\n12a\n",
            r#"[{"n":"007"},{"n":-5},{"n":"+49"},{"n":100.0},{"n":"NaN"},{"n":"12a"}]"#,
        ),
        ("\u{feff}ä\n1\n", r#"[{"ä":1}]"#),
        ("", "[]"),
        (
            "a,a\n1,2\n",
            "! table row 0: the heading \"a\" is there twice",
        ),
    ];
    for (csv, expect) in cases {
        assert_eq!(text(table::from_csv(csv.as_bytes(), true)), expect, "{csv}");
    }
    for bad in [&b"a,b\n1\n"[..], b"a\n\xff\n"] {
        assert!(
            matches!(table::from_csv(bad, false), Err(Problem::Table { .. })),
            "{bad:?}"
        );
    }
    assert_eq!(
        text(table::to_csv(b"{}", &[])),
        "! table document: it is no list: pass a list of objects"
    );
    assert_eq!(
        text(table::to_csv(b"[{},1]", &[])),
        "! table row 2: it is no object, so it has no columns"
    );
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    let cases = [
        ("", "line 1, column 0: EOF while parsing a value"),
        ("{\n  \"a\": 1,\n}", "line 3, column 1: trailing comma"),
        ("[1] 2", "line 1, column 5: trailing characters"),
        (
            r#"{"a":1,"a":2}"#,
            "line 1, column 10: the name \"a\" is twice in one object",
        ),
        ("[NaN]", "line 1, column 2: expected value"),
        ("1e999", "line 1, column 5: number out of range"),
    ];
    for (given, expect) in cases {
        assert_eq!(
            text(path::query(given.as_bytes(), "$")),
            format!("! {expect}"),
            "{given}"
        );
    }
    assert!(matches!(
        path::query(b"\"\xff\"", "$"),
        Err(Problem::Syntax { .. })
    ));
}

#[test]
fn limits_hold_to_the_last_one() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let list = |values: usize| format!("[{}]", vec!["1"; values - 1].join(","));
    let long = |bytes: usize| format!("\"{}\"", "a".repeat(bytes - 2));
    let cases = [
        (nested(MAX_LEVELS), nested(MAX_LEVELS + 1), "levels"),
        (list(MAX_VALUES), list(MAX_VALUES + 1), "values"),
        (long(MAX_BYTES), long(MAX_BYTES + 1), "bytes"),
    ];
    for (good, bad, expect) in cases {
        assert!(document::read(good.as_bytes()).is_ok(), "{expect}");
        match document::read(bad.as_bytes()) {
            Err(Problem::TooMuch { what, given, most }) => {
                assert_eq!((what, given), (expect, most + 1));
            }
            other => panic!("{expect}: {:?}", other.map(|_| ())),
        }
    }
    // A query puts a list around what it finds.
    assert!(matches!(
        path::query(nested(MAX_LEVELS).as_bytes(), "$"),
        Err(Problem::TooMuch { .. })
    ));
}

#[test]
fn regular_expressions_match_the_whole_and_search_a_part() {
    let texts = r#"["ab", "abb", "xaby", "ab\n", "ä", 5, "a\u0301"]"#;
    let cases = [
        ("match(@, 'ab')", r#"["ab"]"#),
        ("match(@, 'ab|x.*')", r#"["ab","xaby"]"#),
        ("search(@, 'ab')", r#"["ab","abb","xaby","ab\n"]"#),
        ("search(@, '^ab{2,}$')", r#"["abb"]"#),
        ("search(@, 'ab.')", r#"["abb","xaby"]"#),
        ("match(@, '.')", r#"["ä"]"#),
        ("match(@, '(')", "[]"),
        ("match(@, 'a{1000}{1000}{1000}')", "[]"),
        ("match(@, 5)", "[]"),
    ];
    for (filter, expect) in cases {
        let found = path::query(texts.as_bytes(), &format!("$[?{filter}]"));
        assert_eq!(text(found), expect, "{filter}");
    }
}
