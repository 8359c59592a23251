//! Times as people write them: seconds since the epoch, RFC 3339, a date, or a span from now on.

use ipvm_ucan::MAX_SAFE_INT;
use jiff::civil::{Date, DateTime};
use std::time::{SystemTime, UNIX_EPOCH};

/// An end, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// In seconds since the epoch.
    At(i64),
    /// Never.
    Never,
}

impl Until {
    /// The end, in seconds since the epoch.
    pub(crate) fn end(self) -> Option<i64> {
        match self {
            Self::At(time) => Some(time),
            Self::Never => None,
        }
    }
}

/// Seconds since the epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A time, or `never`.
pub(crate) fn until(text: &str) -> Result<Until, String> {
    match text {
        "never" => Ok(Until::Never),
        _ => time(text).map(Until::At),
    }
}

/// A time, in seconds since the epoch.
pub(crate) fn time(text: &str) -> Result<i64, String> {
    let time = parse(text, now()).ok_or_else(|| {
        "write seconds since the epoch, a time as 2027-01-15T08:00:00Z, a date as 2027-01-15, or a span from now as 7d \
         (s, m, h, d, w)"
            .to_owned()
    })?;
    match (-MAX_SAFE_INT..=MAX_SAFE_INT).contains(&time) {
        true => Ok(time),
        false => Err("times in tokens are within ±(2^53 − 1) seconds of the epoch".to_owned()),
    }
}

fn parse(text: &str, now: i64) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(seconds);
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_second());
    }
    if let Ok(day) = text.parse::<Date>()
        && text.len() == "2027-01-15".len()
    {
        return Some(seconds_of(day.at(0, 0, 0, 0)));
    }
    // The very last day of the calendar is no timestamp of the library, and is what people write for the end of time.
    if let Some(time) = text.strip_suffix('Z').filter(|time| time.contains('T')) {
        return time.parse().ok().map(seconds_of);
    }
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    let span = number.parse::<u32>().ok()?;
    now.checked_add(i64::from(span).checked_mul(seconds)?)
}

/// A time in UTC in seconds since the epoch.
fn seconds_of(time: DateTime) -> i64 {
    time.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0))
        .as_secs()
}

#[cfg(test)]
mod tests {
    //! Without these a right could last longer than somebody wrote.
    use super::*;

    #[test]
    fn times_are_what_they_say() {
        for (text, expect) in [
            ("1800000000", Some(1_800_000_000)),
            ("-5", Some(-5)),
            ("2027-01-15T08:00:00Z", Some(1_800_000_000)),
            ("2027-01-15T09:00:00+01:00", Some(1_800_000_000)),
            ("2027-01-15", Some(1_799_971_200)),
            ("90s", Some(1_090)),
            ("2m", Some(1_120)),
            ("1h", Some(4_600)),
            ("7d", Some(605_800)),
            ("1w", Some(605_800)),
            ("", None),
            ("d", None),
            ("7", Some(7)),
            ("-7d", None),
            ("1.5h", None),
            ("7 d", None),
            ("soon", None),
            ("2027-13-01", None),
            ("9999-12-31", Some(253_402_214_400)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799)),
            ("2027-01-15T08:00:00", None),
            ("2027-01-15Z", None),
        ] {
            assert_eq!(parse(text, 1_000), expect, "{text}");
        }
        assert_eq!(until("never"), Ok(Until::Never));
        assert_eq!(time("9007199254740991"), Ok(MAX_SAFE_INT));
        assert!(time("9007199254740992").is_err_and(|error| error.contains("2^53")));
    }
}
