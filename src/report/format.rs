//! Numbers, times and durations as people read them. Exact values stand beside rounded ones, and nothing to show is `–`.

use chrono::{DateTime, Datelike, NaiveTime, TimeDelta, Utc};

use super::Period;
use crate::units;
pub(super) use crate::units::readable_duration as duration;
pub(crate) use crate::units::{count, plural};

/// What stands where there is no value.
pub(super) const NONE: &str = "–";

/// RFC 3339 with `Z` and whole seconds: `2026-10-06T09:00:00Z`.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A `usize` with separators.
pub(super) fn size(n: usize) -> String {
    // Lossless: `usize` has at most 64 bits.
    count(n as u64)
}

/// The day, with the time of the day unless that is midnight: `2026-10-15`, `2026-10-15 06:30`.
pub(super) fn day(at: DateTime<Utc>) -> String {
    at.format(if at.time() == NaiveTime::MIN { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" }).to_string()
}

/// A word of the contract as it is read: without underscores, in the spelling of the prose.
pub(super) fn spoken(word: &str) -> String {
    word.replace('_', " ").replace("enrolment", "enrollment").replace(" iam", " IAM")
}

/// A number with at most two decimals, trailing zeros dropped; `None` for what is no number.
pub(super) fn number(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    let text = format!("{:.2}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole = whole.parse::<i128>().map_or_else(|_too_large| whole.to_owned(), count);
    let sign = if value < 0.0 && text != "0.00" { "-" } else { "" };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// A duration with its exact seconds beside it: `42 min (2,520 s)`.
pub(crate) fn duration_exact(seconds: f64) -> Option<String> {
    let short = duration(seconds)?;
    let exact = format!("{} s", number(seconds)?);
    Some(if short == exact { short } else { format!("{short} ({exact})") })
}

/// Bytes in a binary unit with the exact number beside it: `1.5 MiB (1,572,864 B)`.
pub(super) fn bytes(n: u64) -> String {
    if n < 1024 { units::readable_size(n) } else { format!("{} ({} B)", units::readable_size(n), count(n)) }
}

/// `part` of `whole` in per cent with one decimal; `None` of nothing. Only all of it is 100 %, only none of it is 0 %.
pub(super) fn percent(part: usize, whole: usize) -> Option<String> {
    if whole == 0 {
        return None;
    }
    if part == 0 || part == whole {
        return Some(if part == 0 { "0 %" } else { "100 %" }.to_owned());
    }
    let share = part as f64 / whole as f64 * 100.0;
    let share = if part < whole { share.clamp(0.1, 99.9) } else { share };
    Some(format!("{share:.1} %"))
}

/// A period in words: `October 2026`, `January to June 2026`, or its two ends.
pub(crate) fn period(period: Period) -> String {
    let starts_month = |at: DateTime<Utc>| at.day() == 1 && at.time() == NaiveTime::MIN;
    let (from, to) = (period.from, period.to);
    let last = to - TimeDelta::seconds(1);
    match () {
        () if !starts_month(from) || !starts_month(to) => format!("{} to {}", day(from), day(to)),
        () if (from.year(), from.month()) == (last.year(), last.month()) => from.format("%B %Y").to_string(),
        () if from.year() == last.year() => format!("{} to {}", from.format("%B"), last.format("%B %Y")),
        () => format!("{} to {}", from.format("%B %Y"), last.format("%B %Y")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_name_two_units() {
        let cases = [
            (0.0, "0 s"),
            (0.4, "under 1 s"),
            (59.0, "59 s"),
            (60.0, "1 min"),
            (2_520.0, "42 min"),
            (2_525.5, "42 min 6 s"),
            (59.4, "59 s"),
            (59.6, "1 min"),
            (3_599.4, "59 min 59 s"),
            (3_599.6, "1 h"),
            (3_629.0, "1 h"),
            (3_630.0, "1 h 1 min"),
            (86_380.0, "1 d"),
            (86_369.0, "23 h 59 min"),
            (482_340.0, "5 d 14 h"),
            (-482_340.0, "-5 d 14 h"),
            (3_600.0, "1 h"),
            (3_661.0, "1 h 1 min"),
            (86_400.0, "1 d"),
            (86_459.0, "1 d"),
            (88_200.0, "1 d 1 h"),
            (8_639_999.0, "100 d"),
            (1_000_800.0, "11 d 14 h"),
            (-60.0, "-1 min"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds).as_deref(), Some(text), "{seconds}");
        }
        assert_eq!(duration(f64::NAN), None);
        assert_eq!(duration(f64::INFINITY), None);
    }

    #[test]
    fn periods_are_named_by_their_months() {
        let cases = [
            ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", "October 2026"),
            ("2026-01-01T00:00:00Z", "2026-07-01T00:00:00Z", "January to June 2026"),
            ("2025-12-01T00:00:00Z", "2026-02-01T00:00:00Z", "December 2025 to January 2026"),
            ("2026-10-07T00:00:00Z", "2026-10-08T00:00:00Z", "2026-10-07 to 2026-10-08"),
            ("2026-10-01T06:30:00Z", "2026-11-01T00:00:00Z", "2026-10-01 06:30 to 2026-11-01"),
        ];
        for (from, to, text) in cases {
            let at = |text: &str| text.parse().expect("a time");
            assert_eq!(period(Period { from: at(from), to: at(to) }), text);
        }
    }

    #[test]
    fn exact_seconds_stand_beside() {
        assert_eq!(duration_exact(2_520.0).as_deref(), Some("42 min (2,520 s)"));
        assert_eq!(duration_exact(42.0).as_deref(), Some("42 s"));
        assert_eq!(duration_exact(90.5).as_deref(), Some("1 min 31 s (90.5 s)"));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(count(0_u64), "0");
        assert_eq!(count(999_u64), "999");
        assert_eq!(count(41_870_u64), "41,870");
        assert_eq!(count(-1_234_567_i64), "-1,234,567");
        assert_eq!(number(278.0).as_deref(), Some("278"));
        assert_eq!(number(1_278.456).as_deref(), Some("1,278.46"));
        assert_eq!(number(-0.001).as_deref(), Some("0"));
        assert_eq!(number(f64::NAN), None);
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1_572_864), "1.5 MiB (1,572,864 B)");
    }

    #[test]
    fn only_all_is_a_hundred_per_cent() {
        assert_eq!(percent(0, 0), None);
        assert_eq!(percent(0, 3).as_deref(), Some("0 %"));
        assert_eq!(percent(1, 3).as_deref(), Some("33.3 %"));
        assert_eq!(percent(9_999, 10_000).as_deref(), Some("99.9 %"));
        assert_eq!(percent(1, 10_000).as_deref(), Some("0.1 %"));
        assert_eq!(percent(3, 3).as_deref(), Some("100 %"));
    }
}
