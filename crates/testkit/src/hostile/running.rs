//! Attacks by running: endless work, endless recursion, endless growth, and plain crashes.

use super::{BY_THE_CLOCK, End, Hostile, bare, component, function};

pub(super) fn kinds() -> Vec<Hostile> {
    [loops(), recursion(), growth(), traps(), allocators()].concat()
}

fn returning(body: &str) -> Vec<u8> {
    function(
        "(result u32)",
        &format!(r#"(func (export "f") (result i32) {body} (i32.const 7))"#),
    )
}

fn loops() -> Vec<Hostile> {
    let forever = "(loop $again (br $again))";
    let start = format!(
        r#"(func $go {forever}) (start $go) (func (export "f") (result i32) (i32.const 7))"#
    );
    let fill = "(drop (memory.grow (i32.const 255)))
        (loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216)) (br $again))";
    let copy = "(drop (memory.grow (i32.const 255)))
        (loop $again (memory.copy (i32.const 1) (i32.const 0) (i32.const 16777215)) (br $again))";
    let indirect = r#"(table 1 funcref) (elem (i32.const 0) $f) (type $t (func (result i32)))
        (func $f (export "f") (result i32) (loop $again (result i32)
          (drop (table.size)) (br_if $again (i32.const 1)) (i32.const 0)))"#;
    let post = r#"(component (core module $m (func (export "f") (result i32) (i32.const 7))
          (func (export "post") (param i32) (loop $again (br $again))))
        (core instance $i (instantiate $m))
        (func (export "f") (result u32) (canon lift (core func $i "f") (post-return (core func $i "post")))))"#;
    vec![
        Hostile::new("loops", returning(forever), End::Limit("fuel")),
        Hostile::new(
            "loops against the clock",
            returning(forever),
            End::Limit("time"),
        )
        .with(BY_THE_CLOCK),
        Hostile::new("loops as it starts", bare(&start), End::Limit("fuel")),
        Hostile::new(
            "loops as it starts, against the clock",
            bare(&start),
            End::Limit("time"),
        )
        .with(BY_THE_CLOCK),
        Hostile::new("loops over a table", bare(indirect), End::Limit("fuel")),
        Hostile::new(
            "loops after its result",
            component(post),
            End::Limit("fuel"),
        ),
        // One instruction, but megabytes of work each time.
        Hostile::new("fills memory for ever", returning(fill), End::Limit("time"))
            .with(BY_THE_CLOCK),
        Hostile::new(
            "copies memory for ever",
            returning(copy),
            End::Limit("time"),
        )
        .with(BY_THE_CLOCK),
    ]
}

fn recursion() -> Vec<Hostile> {
    let direct = r#"(func $f (export "f") (result i32) (i32.add (call $f) (i32.const 1)))"#;
    let mutual = r#"(type $t (func (result i32))) (table 2 funcref) (elem (i32.const 0) $a $b)
        (func $a (export "f") (result i32) (i32.add (call_indirect (type $t) (i32.const 1)) (i32.const 1)))
        (func $b (result i32) (i32.add (call_indirect (type $t) (i32.const 0)) (i32.const 1)))"#;
    let locals = "(local i64)".repeat(1_000);
    let uses: String = (0..1_000)
        .map(|local| format!("(local.set {local} (i64.extend_i32_u (call $f)))"))
        .collect();
    let adds: String = (0..1_000)
        .map(|local| format!("(local.set 0 (i64.add (local.get 0) (local.get {local})))"))
        .collect();
    let frames = format!(
        r#"(func $f (export "f") (result i32) {locals} {uses} {adds} (i32.wrap_i64 (local.get 0)))"#
    );
    vec![
        Hostile::new("calls itself", bare(direct), End::Limit("stack")),
        Hostile::new("calls itself in turns", bare(mutual), End::Limit("stack")),
        Hostile::new(
            "calls itself with large frames",
            bare(&frames),
            End::Limit("stack"),
        ),
    ]
}

fn growth() -> Vec<Hostile> {
    let pages = "(loop $again (drop (memory.grow (i32.const 1)))
        (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (i32.const 1)) (br $again))";
    let touch = "(local $at i32) (drop (memory.grow (i32.const 400)))
        (loop $again (i32.store (local.get $at) (i32.const -1))
          (local.set $at (i32.add (local.get $at) (i32.const 4096)))
          (br_if $again (i32.lt_u (local.get $at) (i32.const 26214400))))";
    let memories = |count: usize| {
        let memories: String = (0..count).map(|_| "(memory 100)").collect();
        format!(r#"{memories} (func (export "f") (result i32) (i32.const 7))"#)
    };
    let table = r#"(table 1 funcref) (func (export "f") (result i32)
        (loop $again (drop (table.grow (ref.null func) (i32.const 1000))) (br $again)) (i32.const 7))"#;
    let giant = r#"(table 1 funcref) (func (export "f") (result i32)
        (drop (table.grow (ref.null func) (i32.const 0x7fffffff))) (i32.const 7))"#;
    vec![
        Hostile::new("grows page by page", returning(pages), End::Limit("memory")),
        Hostile::new(
            "grows at once",
            returning("(drop (memory.grow (i32.const 65000)))"),
            End::Limit("memory"),
        ),
        Hostile::new("fills what it may have", returning(touch), End::Ok),
        Hostile::new(
            "begins with too much",
            bare(r#"(memory 60000) (func (export "f") (result i32) (i32.const 7))"#),
            End::Limit("memory"),
        ),
        Hostile::new(
            "has many memories",
            bare(&memories(12)),
            End::Limit("memory"),
        ),
        Hostile::new("grows a table", bare(table), End::Limit("table")),
        Hostile::new("grows a table at once", bare(giant), End::Limit("table")).with(BY_THE_CLOCK),
    ]
}

fn traps() -> Vec<Hostile> {
    let trap =
        |name, body: &str, words| Hostile::new(name, returning(body), End::Error("trap", words));
    let data = r#"(memory 1) (data (i32.const 65530) "0123456789")
        (func (export "f") (result i32) (i32.const 7))"#;
    let start =
        r#"(func $go unreachable) (start $go) (func (export "f") (result i32) (i32.const 7))"#;
    let wrong = r#"(type $t (func (param i64) (result i32))) (table 1 funcref) (elem (i32.const 0) $f)
        (func $f (export "f") (result i32) (call_indirect (type $t) (i64.const 1) (i32.const 0)))"#;
    vec![
        trap("gives up", "unreachable", "gave up"),
        trap(
            "divides by zero",
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            "division by zero",
        ),
        trap(
            "reads outside",
            "(drop (i32.load (i32.const -4)))",
            "out of bounds",
        ),
        trap(
            "writes outside",
            "(i64.store (i32.const 65532) (i64.const -1))",
            "out of bounds",
        ),
        Hostile::new(
            "calls with a wrong type",
            bare(wrong),
            End::Error("trap", "type"),
        ),
        Hostile::new(
            "has data outside",
            bare(data),
            End::Error("trap", "out of bounds"),
        ),
        Hostile::new(
            "gives up as it starts",
            bare(start),
            End::Error("trap", "gave up"),
        ),
    ]
}

/// Guests whose allocator, which is asked for room for an argument, does harm.
fn allocators() -> Vec<Hostile> {
    let with = |name, body: &str, end| {
        let text = format!(
            r#"(component
              (core module $m (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) {body})
                (func (export "f") (param i32 i32) (result i32) (i32.const 7)))
              (core instance $i (instantiate $m))
              (func (export "f") (param "text" string) (result u32) (canon lift (core func $i "f")
                (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
        );
        Hostile::new(name, component(&text), end).called_with("hello")
    };
    vec![
        with(
            "allocates for ever",
            "(loop $again (br $again)) (i32.const 8)",
            End::Limit("fuel"),
        ),
        with(
            "allocates outside",
            "(i32.const 0x7ffffff0)",
            End::Error("trap", "memory"),
        ),
        with(
            "allocates at the last byte",
            "(i32.const 65535)",
            End::Error("trap", "memory"),
        ),
        with(
            "gives up allocating",
            "unreachable",
            End::Error("trap", "gave up"),
        ),
        with(
            "grows while it allocates",
            "(drop (memory.grow (i32.const 60000))) (i32.const 8)",
            End::Limit("memory"),
        ),
    ]
}
