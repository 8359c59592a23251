//! The interface `values` in Rust. Every type of the WIT has its natural counterpart, so nothing is converted here.

wit_bindgen::generate!({ path: "../wit", world: "example" });

use exports::example::languages::values::{
    DivisionError, Guest, Integers, Ordering, Permissions, Person, Shape, Statistics,
};
use std::cmp;
use std::f64::consts::PI;

struct Values;

export!(Values);

impl Guest for Values {
    fn describe(who: Person) -> String {
        let mut text = format!("{} ({})", who.name, who.age);
        if let Some(initial) = who.initial {
            text += &format!(", initial {initial}");
        }
        if !who.nicknames.is_empty() {
            text += &format!(", called {}", who.nicknames.join(" and "));
        }
        text
    }

    fn area(of: Shape) -> f64 {
        match of {
            Shape::Point => 0.0,
            Shape::Circle(radius) => PI * radius * radius,
            Shape::Rectangle((a, b)) => a * b,
            Shape::Polygon(corners) => {
                let next = corners.iter().cycle().skip(1);
                let mut sum = 0.0;
                for ((x, y), (next_x, next_y)) in corners.iter().zip(next) {
                    sum += x * next_y - next_x * y;
                }
                (sum / 2.0).abs()
            }
        }
    }

    fn divide(dividend: i64, divisor: i64) -> Result<i64, DivisionError> {
        if divisor == 0 {
            return Err(DivisionError::ByZero);
        }
        dividend.checked_div(divisor).ok_or(DivisionError::Overflow)
    }

    fn complement(of: Integers) -> Integers {
        Integers {
            a: !of.a,
            b: !of.b,
            c: !of.c,
            d: !of.d,
            e: !of.e,
            f: !of.f,
            g: !of.g,
            h: !of.h,
        }
    }

    fn statistics_of(numbers: Vec<i32>) -> Option<Statistics> {
        Some(Statistics {
            count: u32::try_from(numbers.len()).ok()?,
            smallest: *numbers.iter().min()?,
            largest: *numbers.iter().max()?,
            sum: numbers.iter().map(|number| i64::from(*number)).sum(),
        })
    }

    fn mean(numbers: Vec<f64>) -> Option<f64> {
        let count = numbers.len() as f64;
        (count > 0.0).then(|| numbers.iter().fold(0.0, |sum, number| sum + number) / count)
    }

    fn midpoint(a: (f32, f32), b: (f32, f32)) -> (f32, f32) {
        let between = |a: f32, b: f32| ((f64::from(a) + f64::from(b)) / 2.0) as f32;
        (between(a.0, b.0), between(a.1, b.1))
    }

    fn reverse(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.reverse();
        bytes
    }

    fn parse(words: Vec<String>) -> Vec<Result<i64, String>> {
        words.iter().map(|word| parse_one(word)).collect()
    }

    fn compare(a: String, b: String) -> Ordering {
        // The order of UTF-8 bytes is that of scalar values.
        match a.cmp(&b) {
            cmp::Ordering::Less => Ordering::Less,
            cmp::Ordering::Equal => Ordering::Equal,
            cmp::Ordering::Greater => Ordering::Greater,
        }
    }

    fn is_palindrome(text: String) -> bool {
        text.chars().eq(text.chars().rev())
    }

    fn layered(lower: Option<Option<u16>>, upper: Option<Option<u16>>) -> Option<Option<u16>> {
        upper.or(lower)
    }

    fn missing(granted: Permissions, wanted: Permissions) -> Permissions {
        wanted & !granted
    }

    fn count_words(text: String) -> Vec<(String, u32)> {
        let mut counts: Vec<(String, u32)> = Vec::new();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            match counts.iter_mut().find(|(known, _)| known == word) {
                Some((_, count)) => *count += 1,
                None => counts.push((word.to_owned(), 1)),
            }
        }
        counts
    }
}

fn parse_one(word: &str) -> Result<i64, String> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    match word.parse() {
        Ok(number) if plain && digits.len() <= 18 => Ok(number),
        _ => Err(format!("not a number: {word}")),
    }
}
