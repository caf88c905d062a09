//! Durations, byte sizes, moments and counts as people write them, and one way to write them back.
//!
//! Nothing is guessed: a number without a unit and a time of day without a zone are errors, because either reading of
//! them would be wrong for somebody. A date is a day of UTC, as everything that is printed is.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, Utc};

/// The longest duration that is accepted, 100 years: beyond it, arithmetic on times leaves the calendar.
const MAX_SECONDS: i64 = 36_525 * 86_400;

/// Text that is not what it should be. Says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a duration.
    #[error("`{0}` is not a duration (hint: a whole number and a unit, such as `90s`, `30m`, `36h`, `7d` or `2w`)")]
    Duration(String),
    /// A duration that no setting can mean.
    #[error("`{0}` is longer than 100 years")]
    TooLong(String),
    /// Not a size.
    #[error("`{0}` is not a size (hint: a whole number and a unit, such as `512B`, `64KiB`, `256MiB` or `2GiB`)")]
    Size(String),
    /// Not a time.
    #[error(
        "`{0}` is not a time (hint: a date such as `2026-03-01`, a time such as `2026-03-01T08:30Z` or `2026-03-01 08:30:00+01:00`, an age such as `36h`, `7d` or `2w`, `today` or `yesterday`)"
    )]
    Time(String),
    /// Not an RFC 3339 time.
    #[error("`{0}` is not an RFC 3339 time (hint: write `2026-03-01T08:30:00Z`)")]
    Rfc3339(String),
    /// A time that does not say in which zone.
    #[error("`{0}` has no time zone (hint: write `{0}Z` for UTC, or append an offset such as `+01:00`)")]
    NoZone(String),
    /// A date that the calendar does not have, or an age that reaches before it.
    #[error("`{0}` is not in the calendar")]
    NoSuchDay(String),
    /// Not a calendar month.
    #[error("`{0}` is not a calendar month (hint: write it as YYYY-MM, such as `2026-10`, or `this` or `last`)")]
    Month(String),
}

/// A duration: a whole number and one of `s`, `m`, `h`, `d`, `w`. Zero is accepted, a sign is not.
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
        'w' => 7 * 86_400,
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

/// Reads a duration of a configuration, for `deserialize_with`.
///
/// # Errors
/// When it is no text, or as of [`parse_duration`].
pub fn read_duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<TimeDelta, D::Error> {
    let text = <String as serde::Deserialize>::deserialize(from)?;
    parse_duration(&text).map_err(serde::de::Error::custom)
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

/// A duration in its two largest units, rounded: `42 min`, `11 d 14 h`; `None` for what is no number.
#[must_use]
pub fn readable_duration(seconds: f64) -> Option<String> {
    if !seconds.is_finite() {
        return None;
    }
    if seconds < 0.0 {
        return readable_duration(-seconds).map(|text| format!("-{text}"));
    }
    if seconds > 0.0 && seconds < 1.0 {
        return Some("under 1 s".to_owned());
    }
    // `as` saturates; a duration that rounds up to a unit more is shown in that.
    let near = |unit: u64| (seconds / unit as f64).round() as u64;
    let (first, second) = match () {
        () if near(1) < 3_600 => ((near(1) / 60, "min"), (near(1) % 60, "s")),
        () if near(60) < 24 * 60 => ((near(60) / 60, "h"), (near(60) % 60, "min")),
        () => ((near(3_600) / 24, "d"), (near(3_600) % 24, "h")),
    };
    let parts = [first, second].into_iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{} {unit}", count(n)));
    let text = parts.collect::<Vec<_>>().join(" ");
    Some(if text.is_empty() { "0 s".to_owned() } else { text })
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

/// A size to be read: one decimal of the largest binary unit that it fills, `1.5 MiB`, `512 B`.
#[must_use]
pub fn readable_size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        // What rounds to 1024.0 is one of the next unit.
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// A whole number with separators: `41,870`.
#[must_use]
pub fn count(n: impl Into<i128>) -> String {
    let n: i128 = n.into();
    let digits = n.unsigned_abs().to_string();
    let mut out = String::from(if n < 0 { "-" } else { "" });
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number and its noun: `1 window`, `2 windows`, `41,870 objects`.
#[must_use]
pub fn plural(n: impl TryInto<u64>, one: &str, many: &str) -> String {
    let n = n.try_into().unwrap_or(u64::MAX);
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A moment: a date or `today` or `yesterday` (the day's first moment in UTC), a time of [`parse_rfc3339`], or an age
/// before `now`.
///
/// # Errors
/// [`UnitError`] where `text` is none of them.
pub fn parse_time(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, UnitError> {
    let trimmed = text.trim();
    let missing = || UnitError::NoSuchDay(text.to_owned());
    if let Some(day) = named_day(trimmed, now) {
        return day.ok_or_else(missing);
    }
    if is_date_shaped(trimmed) {
        return trimmed.parse().map(midnight).map_err(|_| missing());
    }
    match parse_rfc3339(trimmed) {
        Err(UnitError::Rfc3339(_)) => {}
        other => return other,
    }
    match parse_duration(trimmed) {
        Ok(age) => now.checked_sub_signed(age).ok_or_else(missing),
        Err(UnitError::TooLong(_)) => Err(UnitError::TooLong(text.to_owned())),
        Err(_) => Err(UnitError::Time(text.to_owned())),
    }
}

/// A calendar month, `YYYY-MM`, `this` or `last`, as its first moment and the first one after it, UTC.
///
/// # Errors
/// [`UnitError::Month`] where `text` is something else.
pub fn parse_month(text: &str, now: DateTime<Utc>) -> Result<[DateTime<Utc>; 2], UnitError> {
    let first = match text.trim().to_ascii_lowercase().as_str() {
        "this" => now.date_naive().with_day(1),
        "last" => now.date_naive().with_day(1).and_then(|first| first.checked_sub_months(Months::new(1))),
        month => first_of_month(month),
    };
    let next = first.and_then(|first| first.checked_add_months(Months::new(1)));
    match (first, next) {
        (Some(first), Some(next)) => Ok([midnight(first), midnight(next)]),
        _ => Err(UnitError::Month(text.to_owned())),
    }
}

/// The first day of a month that is written `YYYY-MM`, exactly.
fn first_of_month(text: &str) -> Option<NaiveDate> {
    let (year, month) = text.split_once('-')?;
    let digits = |part: &str, n: usize| part.len() == n && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(year, 4) || !digits(month, 2) {
        return None;
    }
    NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1)
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// `None` where `text` names no day, an inner one where the calendar lacks it.
fn named_day(text: &str, now: DateTime<Utc>) -> Option<Option<DateTime<Utc>>> {
    let days = match text {
        _ if text.eq_ignore_ascii_case("today") => 0,
        _ if text.eq_ignore_ascii_case("yesterday") => 1,
        _ => return None,
    };
    Some(now.date_naive().checked_sub_days(Days::new(days)).map(midnight))
}

/// An RFC 3339 time, and its usual spellings: a space for the `T`, no seconds, `UTC` for `Z`, an offset without its colon
/// or its minutes. The zone is required.
///
/// # Errors
/// [`UnitError`] where `text` is no such time.
pub fn parse_rfc3339(text: &str) -> Result<DateTime<Utc>, UnitError> {
    let wrong = || UnitError::Rfc3339(text.to_owned());
    let (date_time, zone) = spelled_out(text.trim()).ok_or_else(wrong)?;
    let parse = |zone: &str| DateTime::parse_from_rfc3339(&format!("{date_time}{zone}"));
    let Some(zone) = zone else {
        return Err(if parse("Z").is_ok() { UnitError::NoZone(text.to_owned()) } else { wrong() });
    };
    let time = parse(&zone).map_err(|_| wrong())?.with_timezone(&Utc);
    // A zone can lead out of the years that are written with four digits.
    let written = Some(time).filter(|time| (0..=9999).contains(&time.year()));
    written.ok_or_else(|| UnitError::NoSuchDay(text.to_owned()))
}

/// Date and time of day as RFC 3339 has them, and the zone, where there is one.
fn spelled_out(text: &str) -> Option<(String, Option<String>)> {
    let (date, rest) = text.split_at_checked(10).filter(|(date, _)| is_date_shaped(date))?;
    let rest = rest.strip_prefix(['T', 't', ' '])?.trim_start();
    let (clock, zone) =
        rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(rest.len()));
    let seconds = if clock.len() == 5 { ":00" } else { "" };
    let zone = match zone.trim_start() {
        "" => None,
        "Z" | "z" => Some("Z".to_owned()),
        name if name.eq_ignore_ascii_case("utc") => Some("Z".to_owned()),
        offset => Some(offset_in_full(offset)?),
    };
    Some((format!("{date}T{clock}{seconds}"), zone))
}

/// `+01:00` of that, of `+0100` and of `+01`.
fn offset_in_full(offset: &str) -> Option<String> {
    let digits = offset.strip_prefix(['+', '-'])?;
    let sign = offset.get(..1)?;
    let digit = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    match (digits.len(), digits.get(..2)?, digits.get(digits.len() - 2..)?) {
        (2, hours, _) if digit(hours) => Some(format!("{sign}{hours}:00")),
        (4, hours, minutes) if digit(digits) => Some(format!("{sign}{hours}:{minutes}")),
        (5, ..) => Some(offset.to_owned()),
        _ => None,
    }
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
            ("1w", 604_800, "7d"),
            ("2w", 1_209_600, "14d"),
            ("36525d", 36_525 * 86_400, "36525d"),
        ] {
            let duration = parse_duration(text).expect(text);
            assert_eq!(duration.num_seconds(), seconds, "{text}");
            assert_eq!(display_duration(duration), canonical, "{text}");
        }
        for text in ["", "s", "7", "7 days", "-7d", "+7d", "1.5h", "7D", "1W", "w", "1h30m", "é", "７d"] {
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
            ("2026-03-01T08:30Z", "2026-03-01T08:30:00Z"),
            ("2026-03-01 08:30Z", "2026-03-01T08:30:00Z"),
            ("2026-03-01 08:30 Z", "2026-03-01T08:30:00Z"),
            ("2026-03-01t08:30z", "2026-03-01T08:30:00Z"),
            ("2026-03-01 08:30:15 UTC", "2026-03-01T08:30:15Z"),
            ("2026-03-01 08:30:15.25Z", "2026-03-01T08:30:15.250Z"),
            ("2026-03-01 08:30 +0100", "2026-03-01T07:30:00Z"),
            ("2026-03-01 08:30-05", "2026-03-01T13:30:00Z"),
            ("2026-03-01T08:30-05:30", "2026-03-01T14:00:00Z"),
            ("7d", "2026-03-01T12:00:00Z"),
            ("1w", "2026-03-01T12:00:00Z"),
            ("36h", "2026-03-07T00:00:00Z"),
            ("today", "2026-03-08T00:00:00Z"),
            ("Yesterday", "2026-03-07T00:00:00Z"),
        ] {
            assert_eq!(parse_time(text, now), Ok(at(expected)), "{text}");
        }
        let error = |text: &str| parse_time(text, now).expect_err(text);
        assert_eq!(error("2026-02-30"), UnitError::NoSuchDay("2026-02-30".to_owned()));
        for text in ["2026-03-01T08:30:00", "2026-03-01T08:30", "2026-03-01 08:30", "2026-03-01 08:30:00.5"] {
            assert_eq!(error(text), UnitError::NoZone(text.to_owned()), "{text}");
            assert!(parse_time(&format!("{text}Z"), now).is_ok(), "the hint is right: {text}");
        }
        assert_eq!(error("40000d"), UnitError::TooLong("40000d".to_owned()));
        for text in [
            "",
            "tomorrow",
            "1.3.2026",
            "2026-3-1",
            "2026-03",
            "1772323200",
            "2026-03-01T",
            "2026-03-01T8:30Z",
            "2026-03-01T08Z",
            "2026-03-01T08:30:Z",
            "2026-03-01T08:30 CET",
            "2026-03-01T08:30+1",
            "2026-03-01T08:30+01:0",
            "2026-03-01T25:00Z",
            "2026-03-01_08:30Z",
            "2026-03-0١T08:30Z",
        ] {
            assert_eq!(error(text), UnitError::Time(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn months() {
        for (text, now, from, to) in [
            ("2026-10", "2026-11-27T02:00:00Z", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"),
            ("this", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("last", "2026-01-31T00:00:00Z", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("Last", "2026-03-31T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        ] {
            assert_eq!(parse_month(text, at(now)), Ok([at(from), at(to)]), "{text}");
        }
        for text in ["", "2026-13", "2026-1", "26-10", "2026-10-01", "october", "next", "+026-10"] {
            let error = parse_month(text, at("2026-11-27T02:00:00Z"));
            assert_eq!(error, Err(UnitError::Month(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn counts_and_sizes_to_be_read() {
        let text = |n: u64| plural(n, "object", "objects");
        assert_eq!([0, 1, 2, 41_870].map(text), ["0 objects", "1 object", "2 objects", "41,870 objects"]);
        assert_eq!(count(-1_234_567_i64), "-1,234,567");
        for (bytes, shown) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_234_567, "1.2 MiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(readable_size(bytes), shown, "{bytes}");
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

        #[test]
        fn a_space_and_missing_seconds_change_nothing(seconds in 0_i64..4_000_000_000, offset in -14_i64..=14) {
            let time = DateTime::from_timestamp(seconds / 60 * 60, 0).expect("a time");
            let zone = format!("{}{:02}", if offset < 0 { '-' } else { '+' }, offset.abs());
            let local = time + TimeDelta::hours(offset);
            for text in [format!("{}", local.format("%Y-%m-%d %H:%M")), format!("{}", local.format("%Y-%m-%dT%H:%M:%S"))] {
                for zone in [zone.clone(), format!("{zone}00"), format!(" {zone}:00")] {
                    prop_assert_eq!(parse_rfc3339(&format!("{text}{zone}")), Ok(time));
                }
            }
        }
    }
}
