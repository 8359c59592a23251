//! Several homes that exchange files, as people who share would.

use std::path::PathBuf;

use ipvm_testkit::{CALC, component};
use serde_json::Value;

use crate::home::Home;

/// Somebody with a home.
pub(crate) struct Party {
    pub(crate) home: Home,
    pub(crate) owner: String,
    pub(crate) agent: String,
}

impl Party {
    pub(crate) fn new() -> Self {
        let home = Home::new();
        let keys = home.json(&["key", "new", "--json"]);
        let text = |key: &str| keys[key].as_str().unwrap().to_owned();
        Self {
            owner: text("owner"),
            agent: text("agent"),
            home,
        }
    }

    /// Calls another `name`, and the other's agent `name-machine`.
    pub(crate) fn knows(&self, name: &str, other: &Self) {
        self.home.ok(&["name", "add", name, &other.owner]);
        let machine = format!("{name}-machine");
        self.home.ok(&["name", "add", &machine, &other.agent]);
    }

    /// Hands a file over.
    pub(crate) fn gives(&self, other: &Self, file: &str) {
        other.home.file(file, self.home.read(file));
    }

    /// Executes a request in a file; the report.
    pub(crate) fn executes(&self, file: &str, answer: &str) -> Value {
        self.home
            .json(&["ucan", "execute", file, "-o", answer, "--json"])
    }

    /// Executes a request that must be refused; kind and message.
    pub(crate) fn refuses(&self, file: &str) -> (String, String) {
        let before = self.state();
        let ran = self.home.run(&["ucan", "execute", file, "--json"]).code(3);
        let report: Value = serde_json::from_slice(&ran.out).unwrap();
        assert_eq!(report["admitted"], false);
        assert_eq!(
            before,
            self.state(),
            "a refused request leaves nothing behind"
        );
        let text = |key: &str| report["error"][key].as_str().unwrap().to_owned();
        (text("kind"), text("message"))
    }

    /// What is stored: receipts, blocks, runs, delegations.
    fn state(&self) -> (Value, Value, usize, usize) {
        let stat = self.home.json(&["store", "stat", "--json"]);
        let list = |words: &[&str]| self.home.json(words).as_array().unwrap().len();
        (
            stat["receipts"].clone(),
            stat["blocks"].clone(),
            list(&["workflow", "list", "--json"]),
            list(&["ucan", "list", "--json"]),
        )
    }

    /// Adds the module with the test functions; its CID.
    pub(crate) fn has_calc(&self) -> String {
        self.home.file("calc.wasm", component(CALC));
        self.home.ok(&["add", "--quiet", "calc.wasm"])
    }

    /// The secret of one of the keys.
    pub(crate) fn secret(&self, key: &str) -> ipvm_ucan::Keypair {
        let path: PathBuf = self.home.path().join("keys").join(key);
        let text = std::fs::read_to_string(path).unwrap();
        let digits = text.lines().nth(1).unwrap();
        let mut seed = [0; 32];
        for (at, byte) in seed.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).unwrap();
        }
        ipvm_ucan::Keypair::from_seed(&seed)
    }
}

/// The arguments of a call, as DAG-JSON.
pub(crate) fn call(module: &str, function: &str, args: &str) -> String {
    format!(r#"{{"mod": {{"/": "{module}"}}, "fun": "{function}", "args": {args}}}"#)
}
