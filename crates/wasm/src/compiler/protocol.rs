//! What a process and its compiling process say to each other: one order, one answer. Numbers are little-endian
//! and of 8 bytes; both ends are the same program, so there is no other version to understand.

use super::{Code, Compiled, Failure};
use ipvm_ipld::Cid;
use std::io::{self, Read, Write};

/// First bytes of an order.
const ORDER: &[u8; 16] = b"ipvm compile 1 \n";
/// First bytes of an answer.
const ANSWER: &[u8; 16] = b"ipvm compiled 1\n";
/// Longest message in an answer, in bytes.
const MAX_MESSAGE: usize = 16 << 10;

/// What comes before the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) code: Code,
    /// Memory that the process may use, in bytes.
    pub(super) memory: u64,
    /// Time of all its threads together, in seconds.
    pub(super) seconds: u64,
    /// Largest machine code, in bytes.
    pub(super) artefact: u64,
    /// Length of the module, in bytes.
    pub(super) length: u64,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// It ends too early.
    Ended,
    /// It is something else.
    Foreign,
    /// The code is for another version, other settings or another processor.
    Incompatible,
}

impl Order {
    pub(super) fn encode(&self) -> Vec<u8> {
        let code = match self.code {
            Code::Fast => 0,
            Code::Plain => 1,
            Code::Interpreted => 2,
        };
        let mut bytes = ORDER.to_vec();
        for number in [code, self.memory, self.seconds, self.artefact, self.length] {
            bytes.extend(u64::to_le_bytes(number));
        }
        bytes
    }

    /// # Errors
    /// If it is no order, or the input fails.
    pub(super) fn read(input: &mut impl Read) -> io::Result<Self> {
        let foreign = || io::Error::from(io::ErrorKind::InvalidData);
        if array(input)? != *ORDER {
            return Err(foreign());
        }
        let code = match number(input)? {
            0 => Code::Fast,
            1 => Code::Plain,
            2 => Code::Interpreted,
            _ => return Err(foreign()),
        };
        Ok(Self {
            code,
            memory: number(input)?,
            seconds: number(input)?,
            artefact: number(input)?,
            length: number(input)?,
        })
    }
}

/// # Errors
/// If the output fails.
pub(super) fn write_answer(
    output: &mut impl Write,
    answer: &Result<(Cid, Compiled), Failure>,
) -> io::Result<()> {
    let (kind, message) = match answer {
        Ok((compatible, code)) => {
            output.write_all(ANSWER)?;
            output.write_all(&u64::to_le_bytes(0))?;
            output.write_all(&compatible.to_bytes())?;
            output.write_all(&u64::to_le_bytes(code.bytes().len() as u64))?;
            output.write_all(code.bytes())?;
            return output.flush();
        }
        Err(Failure::Invalid(message)) => (1, message.as_str()),
        Err(Failure::Memory) => (2, ""),
        Err(Failure::Artefact) => (3, ""),
        Err(Failure::Other(message)) => (4, message.as_str()),
    };
    let end = message.floor_char_boundary(MAX_MESSAGE);
    let message = message.get(..end).unwrap_or_default();
    output.write_all(ANSWER)?;
    output.write_all(&u64::to_le_bytes(kind))?;
    output.write_all(&u64::to_le_bytes(message.len() as u64))?;
    output.write_all(message.as_bytes())?;
    output.flush()
}

/// # Errors
/// If it is not whole, or not what was ordered.
pub(super) fn read_answer(
    input: &mut impl Read,
    compatible: &Cid,
    limit: u64,
) -> Result<Result<Compiled, Failure>, NoAnswer> {
    if array(input)? != *ANSWER {
        return Err(NoAnswer::Foreign);
    }
    let kind = number(input)?;
    if kind == 0 {
        let expected = compatible.to_bytes();
        if bytes(input, expected.len() as u64)? != expected {
            return Err(NoAnswer::Incompatible);
        }
        let length = number(input)?;
        if length > limit {
            return Ok(Err(Failure::Artefact));
        }
        return Ok(Ok(Compiled::new(bytes(input, length)?)));
    }
    let length = number(input)?;
    if length > MAX_MESSAGE as u64 {
        return Err(NoAnswer::Foreign);
    }
    let message = String::from_utf8(bytes(input, length)?).map_err(|_| NoAnswer::Foreign)?;
    match kind {
        1 => Ok(Err(Failure::Invalid(message))),
        2 => Ok(Err(Failure::Memory)),
        3 => Ok(Err(Failure::Artefact)),
        4 => Ok(Err(Failure::Other(message))),
        _ => Err(NoAnswer::Foreign),
    }
}

impl From<io::Error> for NoAnswer {
    fn from(_: io::Error) -> Self {
        Self::Ended
    }
}

fn number(input: &mut impl Read) -> io::Result<u64> {
    array(input).map(u64::from_le_bytes)
}

fn array<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// So many bytes; memory is taken as they come, not as they are announced.
pub(super) fn bytes(input: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    //! A process can answer anything; the other end must take it for what it is.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use ipvm_ipld::{cid_of, codec};
    use proptest::prelude::*;

    const LIMIT: u64 = 1000;

    fn me() -> Cid {
        cid_of(codec::RAW, b"this engine")
    }

    fn written(answer: &Result<(Cid, Compiled), Failure>) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_answer(&mut bytes, answer).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Result<Vec<u8>, Failure>, NoAnswer> {
        read_answer(&mut &*bytes, &me(), LIMIT).map(|answer| answer.map(|code| code.0))
    }

    #[test]
    fn answers_arrive_whole_or_not_at_all() {
        let code = |compatible, length| Ok((compatible, Compiled::new(vec![7; length])));
        let whole = written(&code(me(), 1000));
        assert_eq!(read(&whole), Ok(Ok(vec![7; 1000])));
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), Err(NoAnswer::Ended), "{length}");
        }
        assert_eq!(
            read(&written(&code(me(), 1001))),
            Ok(Err(Failure::Artefact))
        );
        let other = cid_of(codec::RAW, b"another engine");
        assert_eq!(read(&written(&code(other, 1))), Err(NoAnswer::Incompatible));
        for failure in [Failure::Memory, Failure::Artefact] {
            let bytes = written(&Err(failure));
            assert_eq!(written(&Err(read(&bytes).unwrap().unwrap_err())), bytes);
        }
        let long = "é".repeat(MAX_MESSAGE);
        assert_eq!(
            read(&written(&Err(Failure::Invalid(long)))),
            Ok(Err(Failure::Invalid("é".repeat(MAX_MESSAGE / 2))))
        );
        assert_eq!(
            read(&written(&Err(Failure::Other("why".to_owned())))),
            Ok(Err(Failure::Other("why".to_owned())))
        );
    }

    /// An answer that announces more than it has must not take the memory for it.
    #[test]
    fn announced_lengths_are_not_believed() {
        let mut bytes = ANSWER.to_vec();
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([0xff; 8]);
        assert_eq!(read(&bytes), Err(NoAnswer::Foreign));
        let mut endless = &b"few"[..];
        assert!(super::bytes(&mut endless, u64::MAX).is_err());
    }

    proptest! {
        #[test]
        fn orders_arrive(memory: u64, seconds: u64, artefact: u64, length: u64, code in 0..3) {
            let code = [Code::Fast, Code::Plain, Code::Interpreted][code as usize];
            let order = Order { code, memory, seconds, artefact, length };
            prop_assert_eq!(Order::read(&mut order.encode().as_slice()).unwrap(), order);
        }

        #[test]
        fn anything_else_is_no_answer(bytes: Vec<u8>, known in 0usize..2) {
            let mut all = [&[][..], ANSWER][known].to_vec();
            all.extend(&bytes);
            prop_assert!(!matches!(read(&all), Ok(Ok(_))));
            prop_assert!(Order::read(&mut all.as_slice()).is_err());
        }
    }
}
