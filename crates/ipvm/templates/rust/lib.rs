//! The functions of `wit/world.wit`.

wit_bindgen::generate!({ path: "wit" });

use exports::example::guest::functions::{Guest, Summary};

struct Functions;

export!(Functions);

impl Guest for Functions {
    fn greet(name: String) -> String {
        format!("Hello, {name}!")
    }

    fn summarise(text: String) -> Result<Summary, String> {
        let mut longest = "";
        for word in text.split_whitespace() {
            if word.chars().count() > longest.chars().count() {
                longest = word;
            }
        }
        if longest.is_empty() {
            return Err("there is no word in this text".to_owned());
        }
        Ok(Summary {
            lines: text.lines().count() as u32,
            words: text.split_whitespace().count() as u32,
            longest: longest.to_owned(),
        })
    }

    fn mask(data: Vec<u8>, key: u8) -> Vec<u8> {
        data.into_iter().map(|byte| byte ^ key).collect()
    }
}
