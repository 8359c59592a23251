//! Functions that ask for effects, with what they ask for built in.

use std::fmt::Write;

/// One request of a function made by [`asking`].
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Whose resources, as the workflow names them.
    pub role: &'a str,
    /// The command.
    pub cmd: &'a str,
    /// The arguments, a map in DAG-CBOR.
    pub args: &'a [u8],
}

/// Memory that is filled from a first address on.
struct Memory {
    next: u32,
    data: String,
}

impl Memory {
    /// Puts bytes at a multiple of four, and says where.
    fn put(&mut self, bytes: &[u8]) -> u32 {
        let at = self.next;
        let text: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        writeln!(self.data, "    (data (i32.const {at}) \"{text}\")").expect("text takes text");
        self.next = (at + bytes.len() as u32 + 3) & !3;
        at
    }

    /// The words of a request: three pairs of place and length.
    fn request(&mut self, asked: &Asked<'_>) -> Vec<u8> {
        let parts = [asked.role.as_bytes(), asked.cmd.as_bytes(), asked.args];
        let words = parts.map(|part| [self.put(part), part.len() as u32]);
        words
            .iter()
            .flatten()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }
}

/// A component with two functions, `ask() -> effects` and `tell(n: u32) -> tuple<u32, effects>`, which both ask for
/// the same; `tell` gives back its argument.
pub fn asking(fork: &[Asked<'_>], join: Option<&Asked<'_>>) -> Vec<u8> {
    let mut memory = Memory {
        next: 64,
        data: String::new(),
    };
    let requests: Vec<u8> = fork
        .iter()
        .flat_map(|asked| memory.request(asked))
        .collect();
    let list = memory.put(&requests);
    let mut effects = Vec::new();
    effects.extend(list.to_le_bytes());
    effects.extend((fork.len() as u32).to_le_bytes());
    effects.extend(u32::from(join.is_some()).to_le_bytes());
    effects.extend(join.map_or_else(|| vec![0; 24], |asked| memory.request(asked)));
    // The pair begins with its number; the effects follow.
    let pair = memory.put(&[&[0; 4], effects.as_slice()].concat());
    let (whole, data) = (pair + 4, &memory.data);
    let text = format!(
        r#"
(component
  (import "ipvm:guest/effects@0.1.0" (instance $guest
    (type $r (record (field "role" string) (field "cmd" string) (field "args" (list u8))))
    (export "request" (type $q (eq $r)))
    (type $e (record (field "fork" (list $q)) (field "join" (option $q))))
    (export "effects" (type (eq $e)))))
  (alias export $guest "effects" (type $effects))
  (core module $m
    (memory (export "memory") 2)
{data}
    (func (export "ask") (result i32) (i32.const {whole}))
    (func (export "tell") (param i32) (result i32)
      (i32.store (i32.const {pair}) (local.get 0))
      (i32.const {pair})))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (func (export "ask") (result $effects) (canon lift (core func $i "ask") (memory $memory)))
  (func (export "tell") (param "n" u32) (result (tuple u32 $effects))
    (canon lift (core func $i "tell") (memory $memory))))
"#
    );
    super::component(&text)
}
