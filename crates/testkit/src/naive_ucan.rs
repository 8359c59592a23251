//! A second validator of UCAN chains, slow and obvious, for comparison with the real one. It is written from the texts of
//! the specifications alone: it reads its own CBOR, its own base58 and its own selectors, and shares no line with
//! `ipvm-ucan`. Ed25519 only.

use std::collections::BTreeMap;

/// A CBOR value, as far as tokens have them.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// null
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A float.
    Float(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(BTreeMap<String, Value>),
    /// A link: the bytes of a CID.
    Link(Vec<u8>),
}

impl Value {
    fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(map) => map.get(key),
            _ => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            other => panic!("not a text: {other:?}"),
        }
    }

    fn list(&self) -> Vec<Value> {
        match self {
            Value::List(list) => list.clone(),
            other => panic!("not a list: {other:?}"),
        }
    }

    fn time(&self) -> Option<i128> {
        match self {
            Value::Int(n) => Some(*n),
            Value::Null => None,
            other => panic!("not a time: {other:?}"),
        }
    }
}

/// A token, taken apart.
struct Token {
    signature: Vec<u8>,
    signed: Vec<u8>,
    payload: Value,
}

/// The verdict on an invocation with its proofs (in the order in which it names them; `None`: not there), revocations (who,
/// which delegation by its position in `proofs`) and a time: what is wrong, by the name of the kind, or nothing.
///
/// The tokens must be well-formed: this is about chains.
pub fn naive_verdict(
    invocation: &[u8],
    proofs: &[Option<Vec<u8>>],
    revocations: &[(String, usize)],
    now: i64,
    skew: i64,
) -> Result<(), &'static str> {
    let invocation = open(invocation, "ucan/inv@1.0.0");
    if proofs.iter().any(Option::is_none) {
        return Err("UnavailableProof");
    }
    let proofs: Vec<Token> = proofs
        .iter()
        .flatten()
        .map(|bytes| open(bytes, "ucan/dlg@1.0.0"))
        .collect();
    for token in std::iter::once(&invocation).chain(&proofs) {
        if !is_signed(token) {
            return Err("InvalidSignature");
        }
    }
    let field = |token: &Token, key: &str| token.payload.get(key).cloned().expect("a field");
    let issuer = field(&invocation, "iss").text();
    let subject = field(&invocation, "sub").text();
    let command = field(&invocation, "cmd").text();
    principals(&proofs, &issuer, &subject)?;
    for proof in &proofs {
        if !covers(&field(proof, "cmd").text(), &command) {
            return Err("InvalidClaim");
        }
    }
    for token in proofs.iter().chain([&invocation]) {
        let begin = token.payload.get("nbf").and_then(Value::time);
        let end = field(token, "exp").time();
        if begin.is_some_and(|begin| i128::from(now) < begin - i128::from(skew)) {
            return Err("TooEarly");
        }
        if end.is_some_and(|end| i128::from(now) > end + i128::from(skew)) {
            return Err("Expired");
        }
    }
    let args = field(&invocation, "args");
    for proof in &proofs {
        if !field(proof, "pol")
            .list()
            .iter()
            .all(|each| holds(each, &args))
        {
            return Err("MatchError");
        }
    }
    for (revoker, revoked) in revocations {
        let above = proofs.iter().take(revoked + 1);
        let mut issuers = above.map(|proof| field(proof, "iss").text());
        if *revoked < proofs.len() && issuers.any(|issuer| issuer == *revoker) {
            return Err("Revoked");
        }
    }
    Ok(())
}

/// "This alignment MUST form a chain back to the Subject".
fn principals(proofs: &[Token], issuer: &str, subject: &str) -> Result<(), &'static str> {
    let text = |token: &Token, key: &str| match token.payload.get(key) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    if proofs.is_empty() {
        return if issuer == subject {
            Ok(())
        } else {
            Err("InvalidClaim")
        };
    }
    if issuer == subject {
        return Err("InvalidClaim");
    }
    let subjects: Vec<_> = proofs.iter().map(|proof| text(proof, "sub")).collect();
    if subjects[0].is_none() {
        return Err("InvalidClaim");
    }
    if subjects.iter().flatten().any(|sub| sub != subject) {
        return Err("InvalidSubject");
    }
    if text(&proofs[0], "iss").as_deref() != Some(subject) {
        return Err("InvalidClaim");
    }
    for i in 0..proofs.len() {
        let user = match proofs.get(i + 1) {
            Some(next) => text(next, "iss"),
            None => Some(issuer.to_owned()),
        };
        if text(&proofs[i], "aud") != user {
            return Err("InvalidAudience");
        }
    }
    Ok(())
}

/// "shorter Commands prove longer paths"
fn covers(right: &str, wanted: &str) -> bool {
    let segments = |command: &str| -> Vec<String> {
        let each = command.split('/').skip(1).filter(|s| !s.is_empty());
        each.map(str::to_owned).collect()
    };
    let (right, wanted) = (segments(right), segments(wanted));
    right.len() <= wanted.len() && right.iter().zip(&wanted).all(|(a, b)| a == b)
}

/// Whether a statement of a policy is true of args.
pub fn holds(statement: &Value, args: &Value) -> bool {
    let parts = statement.list();
    let op = parts[0].text();
    match op.as_str() {
        "and" => parts[1].list().iter().all(|each| holds(each, args)),
        "or" => {
            let each = parts[1].list();
            each.is_empty() || each.iter().any(|each| holds(each, args))
        }
        "not" => !holds(&parts[1], args),
        _ => match select(&parts[1].text(), args) {
            None => false,
            Some(found) => about(&op, &found, &parts[2]),
        },
    }
}

fn about(op: &str, found: &Value, operand: &Value) -> bool {
    let order = || number(found).zip(number(operand));
    match op {
        "==" => same(found, operand),
        "!=" => !same(found, operand),
        "<" => order().is_some_and(|(a, b)| a < b),
        "<=" => order().is_some_and(|(a, b)| a <= b),
        ">" => order().is_some_and(|(a, b)| a > b),
        ">=" => order().is_some_and(|(a, b)| a >= b),
        "like" => match found {
            Value::Text(text) => like(
                &operand.text().chars().collect::<Vec<_>>(),
                &text.chars().collect::<Vec<_>>(),
            ),
            _ => false,
        },
        "all" | "any" => {
            let items: Vec<Value> = match found {
                Value::List(items) => items.clone(),
                Value::Map(map) => map.values().cloned().collect(),
                _ => return false,
            };
            if op == "all" {
                items.iter().all(|item| holds(operand, item))
            } else {
                items.is_empty() || items.iter().any(|item| holds(operand, item))
            }
        }
        other => panic!("no operator: {other}"),
    }
}

/// Small numbers only: exact as floats.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(n) => Some(*n as f64),
        Value::Float(f) => Some(*f),
        _ => None,
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && (0..a.len()).all(|i| same(&a[i], &b[i]))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
    }
}

/// The pattern by trying everything: exponential, but right.
fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|skip| like(rest, &text[skip..])),
        ['\\', '*', rest @ ..] => text.first() == Some(&'*') && like(rest, &text[1..]),
        [c, rest @ ..] => text.first() == Some(c) && like(rest, &text[1..]),
    }
}

/// Follows a selector through args: character by character, without taking it apart first.
pub fn select(selector: &str, args: &Value) -> Option<Value> {
    let chars: Vec<char> = selector.chars().collect();
    let mut value = args.clone();
    let mut i = 1;
    while i < chars.len() {
        if chars[i] == '.' || chars[i] == '?' {
            i += 1;
            continue;
        }
        let next = if chars[i] == '[' && chars.get(i + 1) == Some(&'"') {
            let mut key = String::new();
            i += 2;
            while chars[i] != '"' {
                if chars[i] == '\\' {
                    i += 1;
                }
                key.push(chars[i]);
                i += 1;
            }
            i += 2;
            value.get(&key).cloned()
        } else if chars[i] == '[' {
            let end = (i..chars.len())
                .find(|j| chars[*j] == ']')
                .expect("a bracket");
            let inside: String = chars[i + 1..end].iter().collect();
            i = end + 1;
            bracket(&inside, &value)
        } else {
            let end = (i..chars.len()).find(|j| ['.', '[', '?'].contains(&chars[*j]));
            let end = end.unwrap_or(chars.len());
            let key: String = chars[i..end].iter().collect();
            i = end;
            value.get(&key).cloned()
        };
        value = match next {
            Some(next) => next,
            None if chars.get(i) == Some(&'?') => Value::Null,
            None => return None,
        };
    }
    Some(value)
}

fn bracket(inside: &str, value: &Value) -> Option<Value> {
    let items: Vec<Value> = match value {
        Value::List(items) => items.clone(),
        Value::Map(map) if inside.is_empty() => map.values().cloned().collect(),
        Value::Bytes(bytes) if !inside.is_empty() => bytes
            .iter()
            .map(|byte| Value::Int((*byte).into()))
            .collect(),
        _ => return None,
    };
    if inside.is_empty() {
        return Some(Value::List(items));
    }
    let length = items.len() as i64;
    let from_end = |index: i64| if index < 0 { index + length } else { index };
    let Some((from, to)) = inside.split_once(':') else {
        let index = from_end(inside.parse().expect("an index"));
        return items.get(usize::try_from(index).ok()?).cloned();
    };
    let bound = |text: &str, default: i64| match text {
        "" => default,
        text => from_end(text.parse().expect("an index")).clamp(0, length),
    };
    let (from, to) = (bound(from, 0), bound(to, length));
    let part: Vec<Value> = (from..to).map(|i| items[i as usize].clone()).collect();
    if matches!(value, Value::Bytes(_)) {
        let byte = |item: &Value| number(item).map(|n| n as u8);
        return Some(Value::Bytes(part.iter().filter_map(byte).collect()));
    }
    Some(Value::List(part))
}

fn open(bytes: &[u8], tag: &str) -> Token {
    assert_eq!(bytes[0], 0x82, "a list of two");
    let (signature, used) = read(&bytes[1..]);
    let signed = bytes[1 + used..].to_vec();
    let (map, rest) = read(&signed);
    assert_eq!(rest, signed.len(), "nothing follows");
    let Value::Bytes(signature) = signature else {
        panic!("a signature is bytes")
    };
    let payload = map.get(tag).expect("a payload").clone();
    Token {
        signature,
        signed,
        payload,
    }
}

fn is_signed(token: &Token) -> bool {
    let issuer = token.payload.get("iss").expect("an issuer").text();
    let multikey = issuer.strip_prefix("did:key:z").expect("a did:key");
    let key = base58(multikey);
    let (Ok(key), Ok(signature)) = (
        <[u8; 32]>::try_from(&key[2..]),
        <[u8; 64]>::try_from(&token.signature[..]),
    ) else {
        return false;
    };
    let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(&key) else {
        return false;
    };
    let signature = ed25519_dalek::Signature::from_bytes(&signature);
    key.verify_strict(&token.signed, &signature).is_ok()
}

/// Multiplies by 58 and adds, digit by digit.
fn base58(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes: Vec<u8> = vec![];
    for c in text.chars() {
        let mut carry = ALPHABET.find(c).expect("a base58 digit");
        for byte in bytes.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.insert(0, (carry & 0xff) as u8);
            carry >>= 8;
        }
    }
    bytes
}

/// Reads one CBOR value, and how many bytes it takes.
pub fn read(bytes: &[u8]) -> (Value, usize) {
    let major = bytes[0] >> 5;
    let info = bytes[0] & 31;
    let width = match info {
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => 0,
    };
    let mut argument: u64 = u64::from(info);
    if width > 0 {
        argument = bytes[1..=width]
            .iter()
            .fold(0, |n, byte| (n << 8) | u64::from(*byte));
    }
    let mut at = 1 + width;
    let value = match major {
        0 => Value::Int(argument.into()),
        1 => Value::Int(-1 - i128::from(argument)),
        2 | 3 => {
            let body = bytes[at..at + argument as usize].to_vec();
            at += argument as usize;
            if major == 2 {
                Value::Bytes(body)
            } else {
                Value::Text(String::from_utf8(body).expect("UTF-8"))
            }
        }
        4 => {
            let mut items = vec![];
            for _ in 0..argument {
                let (item, used) = read(&bytes[at..]);
                items.push(item);
                at += used;
            }
            Value::List(items)
        }
        5 => {
            let mut map = BTreeMap::new();
            for _ in 0..argument {
                let (key, used) = read(&bytes[at..]);
                at += used;
                let (item, used) = read(&bytes[at..]);
                at += used;
                map.insert(key.text(), item);
            }
            Value::Map(map)
        }
        6 => {
            let (link, used) = read(&bytes[at..]);
            at += used;
            match link {
                Value::Bytes(cid) => Value::Link(cid[1..].to_vec()),
                other => panic!("not a link: {other:?}"),
            }
        }
        _ => match info {
            20 => Value::Bool(false),
            21 => Value::Bool(true),
            22 => Value::Null,
            27 => Value::Float(f64::from_bits(argument)),
            other => panic!("not DAG-CBOR: {other}"),
        },
    };
    (value, at)
}
