//! Help, completions and the manual. Without these a verb could be there and nobody would learn how to use it.

use crate::home::Home;

/// Every verb, and every verb below a verb.
const VERBS: [&str; 60] = [
    "run",
    "provider",
    "provider add",
    "provider list",
    "provider test",
    "provider remove",
    "workflow doubt",
    "workflow doubt list",
    "workflow doubt resolve",
    "call",
    "add",
    "ls",
    "cat",
    "get",
    "inspect",
    "receipt list",
    "receipt show",
    "receipt trace",
    "receipt verify",
    "workflow list",
    "workflow show",
    "workflow cancel",
    "key new",
    "key list",
    "key show",
    "key protect",
    "key unprotect",
    "key rotate",
    "name add",
    "name list",
    "name remove",
    "ucan delegate",
    "ucan inspect",
    "ucan verify",
    "ucan invoke",
    "ucan execute",
    "ucan revoke",
    "ucan list",
    "ucan import",
    "ucan export",
    "explain",
    "store stat",
    "store verify",
    "store pin",
    "store unpin",
    "store pins",
    "store gc",
    "store limit",
    "home export",
    "home import",
    "new",
    "completions",
    "man",
    // Families, which list what is below them.
    "receipt",
    "workflow",
    "key",
    "name",
    "ucan",
    "store",
    "home",
];

#[test]
fn every_verb_has_help_with_an_example() {
    let home = Home::new();
    for verb in VERBS {
        let mut words: Vec<&str> = verb.split(' ').collect();
        words.push("--help");
        let help = home.ok(&words);
        assert!(
            help.contains(&format!("Usage: ipvm {verb}")),
            "{verb}:\n{help}"
        );
        let family = [
            "receipt",
            "workflow",
            "workflow doubt",
            "provider",
            "key",
            "name",
            "ucan",
            "store",
            "home",
        ]
        .contains(&verb);
        assert!(
            family || help.contains(&format!("ipvm {verb}")) && help.contains("Example"),
            "{verb}:\n{help}"
        );
    }
    assert!(!home.path().exists(), "help needs no home");
}

#[test]
fn no_verb_is_left_out_here() {
    let help = Home::new().ok(&["--help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed: Vec<&str> = listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for verb in &listed {
        assert!(
            *verb == "help" || VERBS.contains(verb),
            "{verb} is not tested"
        );
    }
    assert_eq!(listed.len(), 20, "{listed:?}");
}

#[test]
fn wrong_words_end_with_2_and_say_what_was_meant() {
    let home = Home::new();
    for (words, says) in [
        (vec![], "Usage"),
        (vec!["rum"], "run"),
        (vec!["frobnicate"], "unrecognized"),
        (vec!["run"], "<FILE>"),
        (vec!["run", "w.yaml", "--frob"], "--frob"),
        (vec!["run", "w.yaml", "--set", "novalue"], "KEY=VALUE"),
        (vec!["receipt", "list", "--limit", "many"], "many"),
        (vec!["completions", "fsh"], "fish"),
    ] {
        let ran = home.run(&words).code(2).says(says);
        assert!(ran.out.is_empty(), "{words:?} prints on stdout");
    }
}

#[test]
fn version_goes_to_stdout() {
    let version = Home::new().ok(&["--version"]);
    assert_eq!(version, format!("ipvm {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_know_the_verbs() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.ok(&["completions", shell]);
        assert!(
            script.contains("explain") && script.contains("no-memo"),
            "{shell}"
        );
    }
}

#[test]
fn the_manual_has_every_verb_and_its_example() {
    let page = Home::new().ok(&["man"]);
    assert!(
        page.contains(".TH ipvm 1"),
        "{}",
        page.get(..200).unwrap_or(&page)
    );
    for verb in VERBS {
        assert!(
            page.contains(&format!(".SH \"IPVM {}\"", verb.to_uppercase())),
            "{verb}"
        );
    }
    assert!(page.contains("thumbnail @photo.jpg 128 128"));
}
