//! Types from their text, as the documentation and `Display` write them.

use crate::generate::types;
use ipvm_wasm::Type;
use proptest::prelude::*;

/// The type that `text` writes. Panics if it writes none.
pub(crate) fn parse(text: &str) -> Type {
    let mut reader = Reader { rest: text };
    let ty = reader.ty();
    assert_eq!(reader.rest, "", "after the type in {text:?}");
    ty
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn want(&mut self, token: &str) {
        assert!(
            self.take(token),
            "{token:?} expected before {:?}",
            self.rest
        );
    }

    fn name(&mut self) -> &'a str {
        self.skip();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name
    }

    /// Items with commas between them, up to `end`.
    fn items<T>(&mut self, end: &str, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut items = Vec::new();
        while !self.take(end) {
            if !items.is_empty() {
                self.want(",");
            }
            items.push(item(self));
        }
        self.skip();
        items
    }

    fn names(&mut self) -> Vec<String> {
        self.want("{");
        self.items("}", |reader| reader.name().to_owned())
    }

    fn ty(&mut self) -> Type {
        let name = self.name();
        match name {
            "bool" => Type::Bool,
            "u8" => Type::U8,
            "s8" => Type::S8,
            "u16" => Type::U16,
            "s16" => Type::S16,
            "u32" => Type::U32,
            "s32" => Type::S32,
            "u64" => Type::U64,
            "s64" => Type::S64,
            "f32" => Type::F32,
            "f64" => Type::F64,
            "char" => Type::Char,
            "string" => Type::String,
            "cid" => Type::Cid,
            "enum" => Type::enumeration(self.names()),
            "flags" => Type::flags(self.names()),
            "record" => {
                self.want("{");
                Type::record(self.items("}", |reader| {
                    let name = reader.name().to_owned();
                    reader.want(":");
                    (name, reader.ty())
                }))
            }
            "variant" => {
                self.want("{");
                Type::variant(self.items("}", |reader| {
                    let name = reader.name().to_owned();
                    let payload = reader.take("(").then(|| reader.ty());
                    payload.iter().for_each(|_| reader.want(")"));
                    (name, payload)
                }))
            }
            "result" if !self.rest.starts_with('<') => Type::result(None, None),
            _ => self.generic(name),
        }
    }

    fn generic(&mut self, name: &str) -> Type {
        self.want("<");
        let mut of = self.items(">", |reader| match reader.take("_") {
            true => None,
            false => Some(reader.ty()),
        });
        let last = of.pop().flatten();
        match (name, of.as_slice(), last) {
            ("list", [], Some(item)) => Type::list(item),
            ("option", [], Some(inner)) => Type::option(inner),
            ("map", [Some(Type::String)], Some(value)) => Type::map(value),
            ("result", [], ok) => Type::result(ok, None),
            ("result", [ok], error) => Type::result(ok.clone(), error),
            ("tuple", first, last) => {
                Type::tuple(first.iter().cloned().chain([last]).flatten().collect())
            }
            (name, ..) => panic!("{name:?} is no type"),
        }
    }
}

proptest! {
    /// A user reads in a listing what a function takes: it has to be all of it.
    #[test]
    fn text_says_everything(ty in types()) {
        prop_assert_eq!(parse(&ty.to_string()), ty);
    }
}
