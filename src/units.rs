//! Durations, byte sizes and moments as people write them, with one canonical way to write them back.
//!
//! Nothing is guessed: a number without a unit and a time without a zone are errors, because either reading of them
//! would be wrong for somebody.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};

/// The longest duration that is accepted, 100 years: beyond it, arithmetic on times leaves the calendar.
const MAX_SECONDS: i64 = 36_525 * 86_400;

/// Text that is not what it should be. Says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a duration.
    #[error("`{0}` is not a duration (hint: a whole number and a unit, such as `90s`, `30m`, `36h` or `7d`)")]
    Duration(String),
    /// A duration that no setting can mean.
    #[error("`{0}` is longer than 100 years")]
    TooLong(String),
    /// Not a size.
    #[error("`{0}` is not a size (hint: a whole number and a unit, such as `512B`, `64KiB`, `256MiB` or `2GiB`)")]
    Size(String),
    /// Not a time.
    #[error(
        "`{0}` is not a time (hint: a date such as `2026-03-01`, an RFC 3339 time such as `2026-03-01T08:30:00Z`, or an age such as `7d` or `36h`)"
    )]
    Time(String),
    /// Not an RFC 3339 time.
    #[error("`{0}` is not an RFC 3339 time (hint: write `2026-03-01T08:30:00Z`)")]
    Rfc3339(String),
    /// A time that does not say in which zone.
    #[error("`{0}` has no time zone (hint: append `Z` for UTC, or an offset such as `+01:00`)")]
    NoZone(String),
    /// A date that the calendar does not have, or an age that reaches before it.
    #[error("`{0}` is not in the calendar")]
    NoSuchDay(String),
}

/// A duration: a whole number and one of `s`, `m`, `h`, `d`. Zero is accepted, a sign is not.
///
/// # Errors
/// [`UnitError`] where `text` is something else or longer than 100 years.
pub fn parse_duration(text: &str) -> Result<TimeDelta, UnitError> {
    let wrong = || UnitError::Duration(text.to_owned());
    let trimmed = text.trim();
    let unit = trimmed.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let digits = trimmed.strip_suffix(unit).ok_or_else(wrong)?;
    let count = whole_number(digits).ok_or_else(wrong)?;
    let total = count.ok().and_then(|count| i64::try_from(count).ok()).and_then(|count| count.checked_mul(seconds));
    match total {
        Some(total) if total <= MAX_SECONDS => Ok(TimeDelta::seconds(total)),
        _ => Err(UnitError::TooLong(text.to_owned())),
    }
}

/// A duration in the largest unit that holds it without remainder: `7d`, `36h`, `90s`. Fractions of a second are cut.
#[must_use]
pub fn display_duration(duration: TimeDelta) -> String {
    let seconds = duration.num_seconds();
    for (unit, name) in [(86_400, "d"), (3_600, "h"), (60, "m")] {
        if seconds != 0 && seconds % unit == 0 {
            return format!("{}{name}", seconds / unit);
        }
    }
    format!("{seconds}s")
}

/// A size in bytes: a whole number and `B`, `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024) or `kB`, `MB`, `GB`, `TB`
/// (powers of 1000), in any letter case.
///
/// # Errors
/// [`UnitError::Size`] where `text` is something else, or more than 64 bits hold.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let wrong = || UnitError::Size(text.to_owned());
    let trimmed = text.trim();
    let digits = trimmed.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = trimmed.strip_prefix(digits).unwrap_or_default().to_ascii_lowercase();
    let bytes: u64 = match unit.as_str() {
        "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    let count = whole_number(digits.trim_end()).ok_or_else(wrong)?.map_err(|_| wrong())?;
    count.checked_mul(bytes).ok_or_else(wrong)
}

/// A size in the largest power of 1024 that holds it without remainder: `256MiB`, `1500B`.
#[must_use]
pub fn display_size(bytes: u64) -> String {
    for (shift, name) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        let unit = 1u64 << shift;
        if bytes != 0 && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    format!("{bytes}B")
}

/// A moment: a date (its first moment in UTC), an RFC 3339 time, or an age before `now`.
///
/// # Errors
/// [`UnitError`] where `text` is none of them.
pub fn parse_time(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, UnitError> {
    let trimmed = text.trim();
    if is_date_shaped(trimmed) {
        let date = trimmed.parse::<NaiveDate>().map_err(|_| UnitError::NoSuchDay(text.to_owned()))?;
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    match parse_rfc3339(trimmed) {
        Ok(time) => return Ok(time),
        Err(UnitError::Rfc3339(_)) => {}
        Err(other) => return Err(other),
    }
    match parse_duration(trimmed) {
        Ok(age) => now.checked_sub_signed(age).ok_or_else(|| UnitError::NoSuchDay(text.to_owned())),
        Err(UnitError::TooLong(_)) => Err(UnitError::TooLong(text.to_owned())),
        Err(_) => Err(UnitError::Time(text.to_owned())),
    }
}

/// An RFC 3339 time; the zone is required.
///
/// # Errors
/// [`UnitError`] where `text` is no such time.
pub fn parse_rfc3339(text: &str) -> Result<DateTime<Utc>, UnitError> {
    let trimmed = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(trimmed) {
        // A zone can lead out of the years that are written with four digits.
        let time = Some(time.with_timezone(&Utc)).filter(|time| (0..=9999).contains(&time.year()));
        return time.ok_or_else(|| UnitError::NoSuchDay(text.to_owned()));
    }
    if DateTime::parse_from_rfc3339(&format!("{trimmed}Z")).is_ok() {
        return Err(UnitError::NoZone(text.to_owned()));
    }
    Err(UnitError::Rfc3339(text.to_owned()))
}

fn is_date_shaped(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(i, byte)| if i == 4 || i == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}

/// `None` where `text` is not all digits, an error where they are too many.
fn whole_number(text: &str) -> Option<Result<u64, std::num::ParseIntError>> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_zone_leads_to_no_year_that_cannot_be_written() {
        for text in ["0000-01-01T08:00:00+22:00", "9999-12-31T23:00:00-01:00"] {
            assert_eq!(parse_rfc3339(text), Err(UnitError::NoSuchDay(text.to_owned())));
        }
        assert!(parse_rfc3339("0000-01-01T08:00:00+08:00").is_ok());
    }

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).expect("a time").with_timezone(&Utc)
    }

    #[test]
    fn durations() {
        for (text, seconds, canonical) in [
            ("90s", 90, "90s"),
            ("30m", 1_800, "30m"),
            ("36h", 129_600, "36h"),
            ("7d", 604_800, "7d"),
            (" 24h ", 86_400, "1d"),
            ("0s", 0, "0s"),
            ("120s", 120, "2m"),
            ("36525d", 36_525 * 86_400, "36525d"),
        ] {
            let duration = parse_duration(text).expect(text);
            assert_eq!(duration.num_seconds(), seconds, "{text}");
            assert_eq!(display_duration(duration), canonical, "{text}");
        }
        for text in ["", "s", "7", "7 days", "-7d", "+7d", "1.5h", "7D", "1h30m", "é", "７d"] {
            assert_eq!(parse_duration(text), Err(UnitError::Duration(text.to_owned())), "{text}");
        }
        for text in ["36526d", "99999999999999999999999d", "9223372036854775807d"] {
            assert_eq!(parse_duration(text), Err(UnitError::TooLong(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes, canonical) in [
            ("256MiB", 256 << 20, "256MiB"),
            ("1024kib", 1 << 20, "1MiB"),
            ("512B", 512, "512B"),
            ("1500 B", 1_500, "1500B"),
            ("2GB", 2_000_000_000, "1953125KiB"),
            ("0B", 0, "0B"),
        ] {
            assert_eq!(parse_size(text).expect(text), bytes, "{text}");
            assert_eq!(display_size(bytes), canonical, "{text}");
        }
        for text in ["", "256", "MiB", "-1B", "1.5GiB", "256Mi", "99999999TiB", "1é"] {
            assert_eq!(parse_size(text), Err(UnitError::Size(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn times() {
        let now = at("2026-03-08T12:00:00Z");
        for (text, expected) in [
            ("2026-03-01", "2026-03-01T00:00:00Z"),
            ("2026-03-01T08:30:00Z", "2026-03-01T08:30:00Z"),
            ("2026-03-01T08:30:00+01:00", "2026-03-01T07:30:00Z"),
            ("7d", "2026-03-01T12:00:00Z"),
            ("36h", "2026-03-07T00:00:00Z"),
        ] {
            assert_eq!(parse_time(text, now), Ok(at(expected)), "{text}");
        }
        let error = |text: &str| parse_time(text, now).expect_err(text);
        assert_eq!(error("2026-02-30"), UnitError::NoSuchDay("2026-02-30".to_owned()));
        assert_eq!(error("2026-03-01T08:30:00"), UnitError::NoZone("2026-03-01T08:30:00".to_owned()));
        assert_eq!(error("40000d"), UnitError::TooLong("40000d".to_owned()));
        for text in ["", "yesterday", "1.3.2026", "2026-3-1", "2026-03", "1772323200"] {
            assert_eq!(error(text), UnitError::Time(text.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn durations_come_back(seconds in 0..=MAX_SECONDS) {
            let duration = TimeDelta::seconds(seconds);
            prop_assert_eq!(parse_duration(&display_duration(duration)), Ok(duration));
        }

        #[test]
        fn sizes_come_back(bytes: u64) {
            prop_assert_eq!(parse_size(&display_size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse_time(&text, at("2026-03-08T12:00:00Z"));
            let _ = parse_size(&text);
        }
    }
}
