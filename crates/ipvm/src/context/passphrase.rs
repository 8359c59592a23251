//! The passphrase of protected keys: from the environment, or from whoever sits at the terminal.

use crate::fault::Fault;
use ipvm_node::AskPassphrase;
use ipvm_ucan::Zeroizing;
use std::env::VarError;
use std::io::{self, IsTerminal};
use std::sync::Arc;

/// Name of the variable with the passphrase.
const VARIABLE: &str = "IPVM_PASSPHRASE";
/// Name of the variable with a new passphrase.
const NEW_VARIABLE: &str = "IPVM_NEW_PASSPHRASE";

/// Asks for the passphrase when it is needed.
pub(crate) fn ask() -> AskPassphrase {
    Arc::new(|| match of_variable(VARIABLE) {
        Some(given) => Ok(Some(given)),
        None if is_terminal() => prompt("passphrase of the keys: ").map(Some),
        None => Ok(None),
    })
}

/// A new passphrase, asked for twice.
pub(crate) fn new() -> anyhow::Result<Zeroizing<String>> {
    let given = match of_variable(NEW_VARIABLE) {
        Some(given) => given,
        None if is_terminal() => {
            let first = prompt("new passphrase: ")?;
            let second = prompt("again: ")?;
            if first != second {
                let message = "the two passphrases differ";
                return Err(Fault::usage(message, "nothing was changed; try again").into());
            }
            first
        }
        None => {
            let message = match std::env::var(NEW_VARIABLE) {
                Ok(_) => format!("{NEW_VARIABLE} is empty"),
                Err(VarError::NotUnicode(_)) => format!("{NEW_VARIABLE} is not UTF-8"),
                Err(VarError::NotPresent) => {
                    "there is no terminal to ask for the new passphrase".to_owned()
                }
            };
            let help = format!("set {NEW_VARIABLE} to the new passphrase");
            return Err(Fault::usage(message, help).into());
        }
    };
    if given.is_empty() {
        let help = "`ipvm key unprotect` takes a passphrase away";
        return Err(Fault::usage("the passphrase is empty", help).into());
    }
    Ok(given)
}

fn of_variable(name: &str) -> Option<Zeroizing<String>> {
    let given = std::env::var(name).ok().map(Zeroizing::new);
    given.filter(|given| !given.is_empty())
}

fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn prompt(words: &str) -> io::Result<Zeroizing<String>> {
    let terminal = console::Term::stderr();
    terminal.write_str(words)?;
    terminal.read_secure_line().map(Zeroizing::new)
}
