//! One JSON document, written as it is made: keys in the order they are given, values never all in memory.

use std::io::{self, Write};

/// What fills an object or a list.
pub(crate) type Done = io::Result<()>;

/// Writes a whole object, followed by nothing.
pub(crate) fn object(out: &mut dyn Write, fill: impl FnOnce(&mut Object<'_>) -> Done) -> Done {
    out.write_all(b"{")?;
    fill(&mut Object { out, some: false })?;
    out.write_all(b"}")
}

/// Writes a whole list, followed by nothing.
pub(crate) fn list(out: &mut dyn Write, fill: impl FnOnce(&mut List<'_>) -> Done) -> Done {
    out.write_all(b"[")?;
    fill(&mut List { out, some: false })?;
    out.write_all(b"]")
}

/// A JSON string literal.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The inside of an object that is being written.
pub(crate) struct Object<'w> {
    out: &'w mut dyn Write,
    some: bool,
}

impl Object<'_> {
    fn key(&mut self, key: &str) -> Done {
        let comma = if self.some { "," } else { "" };
        self.some = true;
        write!(self.out, "{comma}{}:", quoted(key))
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) -> Done {
        self.raw(key, &quoted(value))
    }

    /// A string, or null.
    pub(crate) fn maybe(&mut self, key: &str, value: Option<&str>) -> Done {
        match value {
            Some(value) => self.text(key, value),
            None => self.raw(key, "null"),
        }
    }

    pub(crate) fn number(&mut self, key: &str, value: impl Into<i128>) -> Done {
        self.raw(key, &value.into().to_string())
    }

    pub(crate) fn flag(&mut self, key: &str, value: bool) -> Done {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// A value that is JSON already.
    pub(crate) fn raw(&mut self, key: &str, json: &str) -> Done {
        self.key(key)?;
        self.out.write_all(json.as_bytes())
    }

    pub(crate) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>) -> Done) -> Done {
        self.key(key)?;
        object(self.out, fill)
    }

    pub(crate) fn list(&mut self, key: &str, fill: impl FnOnce(&mut List<'_>) -> Done) -> Done {
        self.key(key)?;
        list(self.out, fill)
    }
}

/// The inside of a list that is being written.
pub(crate) struct List<'w> {
    out: &'w mut dyn Write,
    some: bool,
}

impl List<'_> {
    fn comma(&mut self) -> Done {
        if std::mem::replace(&mut self.some, true) {
            self.out.write_all(b",")?;
        }
        Ok(())
    }

    pub(crate) fn object(&mut self, fill: impl FnOnce(&mut Object<'_>) -> Done) -> Done {
        self.comma()?;
        object(self.out, fill)
    }

    pub(crate) fn text(&mut self, value: &str) -> Done {
        self.comma()?;
        self.out.write_all(quoted(value).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_keep_their_order_and_text_is_escaped() {
        let mut out = Vec::new();
        object(&mut out, |o| {
            o.text("z", "a\"\u{1b}\n")?;
            o.number("n", u64::MAX)?;
            o.maybe("none", None)?;
            o.flag("yes", true)?;
            o.object("o", |_| Ok(()))?;
            o.list("l", |l| {
                l.text("x")?;
                l.object(|o| o.raw("r", "[1]"))
            })
        })
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        let expect = r#"{"z":"a\"\u001b\n","n":18446744073709551615,"none":null,"yes":true,"o":{},"l":["x",{"r":[1]}]}"#;
        assert_eq!(text, expect);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
}
