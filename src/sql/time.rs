//! Moments and days: as texts, their parts, the units they are cut to.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

use super::error::{Result, unsupported, wrong};

/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000;

/// What a moment is cut to, and what a difference is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// A number that a moment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    /// 0 is Sunday.
    DayOfWeek,
    /// 1 is Monday.
    IsoDayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Second,
    /// Seconds since 1970.
    Epoch,
}

const UNITS: &[(&str, Unit)] = &[
    ("second", Unit::Second),
    ("minute", Unit::Minute),
    ("hour", Unit::Hour),
    ("day", Unit::Day),
    ("week", Unit::Week),
    ("month", Unit::Month),
    ("quarter", Unit::Quarter),
    ("year", Unit::Year),
];

const PARTS: &[(&str, Part)] = &[
    ("year", Part::Year),
    ("quarter", Part::Quarter),
    ("month", Part::Month),
    ("week", Part::Week),
    ("day", Part::Day),
    ("dow", Part::DayOfWeek),
    ("dayofweek", Part::DayOfWeek),
    ("isodow", Part::IsoDayOfWeek),
    ("doy", Part::DayOfYear),
    ("dayofyear", Part::DayOfYear),
    ("hour", Part::Hour),
    ("minute", Part::Minute),
    ("second", Part::Second),
    ("epoch", Part::Epoch),
];

/// The name without the plural's `s`.
fn singular(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_suffix('s').map_or_else(|| name.clone(), str::to_owned)
}

impl Unit {
    /// By its name, one or many of it.
    pub(super) fn named(name: &str) -> Result<Self> {
        let found = UNITS.iter().find(|(known, _)| *known == singular(name)).map(|(_, unit)| *unit);
        let units = || UNITS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        found.map_or_else(|| unsupported(format!("the unit `{name}`"), format!("the units are {}", units())), Ok)
    }

    /// The beginning of the unit that a moment is in.
    pub(super) fn start(self, micros: i64) -> Option<i64> {
        let step = match self {
            Self::Second => 1_000_000,
            Self::Minute => 60_000_000,
            Self::Hour => 3_600_000_000,
            Self::Day => DAY,
            // 1970-01-01 was a Thursday.
            Self::Week => {
                return (micros.div_euclid(DAY) + 3).div_euclid(7).checked_mul(7)?.checked_sub(3)?.checked_mul(DAY);
            }
            Self::Month | Self::Quarter | Self::Year => return self.first_day(micros),
        };
        micros.div_euclid(step).checked_mul(step)
    }

    fn first_day(self, micros: i64) -> Option<i64> {
        let date = moment(micros)?.date();
        let month = match self {
            Self::Month => date.month(),
            Self::Quarter => date.month0() / 3 * 3 + 1,
            _ => 1,
        };
        of_day(NaiveDate::from_ymd_opt(date.year(), month, 1)?)
    }

    /// How many of its beginnings lie between two moments.
    pub(super) fn between(self, from: i64, to: i64) -> Option<i64> {
        let count = |micros: i64| {
            let date = || moment(micros).map(|moment| moment.date());
            Some(match self {
                Self::Second => micros.div_euclid(1_000_000),
                Self::Minute => micros.div_euclid(60_000_000),
                Self::Hour => micros.div_euclid(3_600_000_000),
                Self::Day => micros.div_euclid(DAY),
                Self::Week => (micros.div_euclid(DAY) + 3).div_euclid(7),
                Self::Month => i64::from(date()?.year()) * 12 + i64::from(date()?.month0()),
                Self::Quarter => i64::from(date()?.year()) * 4 + i64::from(date()?.month0() / 3),
                Self::Year => i64::from(date()?.year()),
            })
        };
        count(to)?.checked_sub(count(from)?)
    }
}

impl Part {
    /// By its name, one or many of it.
    pub(super) fn named(name: &str) -> Result<Self> {
        let is = |known: &str| known == singular(name) || name.eq_ignore_ascii_case(known);
        let found = PARTS.iter().find(|(known, _)| is(known)).map(|(_, part)| *part);
        let parts = || PARTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        found.map_or_else(|| unsupported(format!("`{name}` of a time"), format!("there are {}", parts())), Ok)
    }

    /// Of a moment.
    pub(super) fn of(self, micros: i64) -> Option<i64> {
        let time = moment(micros)?;
        Some(match self {
            Self::Year => i64::from(time.year()),
            Self::Quarter => i64::from(time.month0() / 3 + 1),
            Self::Month => i64::from(time.month()),
            Self::Week => i64::from(time.iso_week().week()),
            Self::Day => i64::from(time.day()),
            Self::DayOfWeek => i64::from(time.weekday().num_days_from_sunday()),
            Self::IsoDayOfWeek => i64::from(time.weekday().number_from_monday()),
            Self::DayOfYear => i64::from(time.ordinal()),
            Self::Hour => i64::from(time.hour()),
            Self::Minute => i64::from(time.minute()),
            Self::Second => i64::from(time.second()),
            Self::Epoch => micros.div_euclid(1_000_000),
        })
    }
}

/// A moment that the calendar has.
pub(super) fn moment(micros: i64) -> Option<NaiveDateTime> {
    Some(DateTime::<Utc>::from_timestamp_micros(micros)?.naive_utc())
}

fn of_day(day: NaiveDate) -> Option<i64> {
    days(day).checked_mul(DAY)
}

/// Days since 1970.
pub(super) fn days(day: NaiveDate) -> i64 {
    day.signed_duration_since(NaiveDate::default()).num_days()
}

/// A day as text.
pub(super) fn day_text(days: i64) -> Option<String> {
    let date = moment(days.checked_mul(DAY)?)?.date();
    (0..=9999).contains(&date.year()).then(|| date.format("%Y-%m-%d").to_string())
}

/// Reads a moment: a day, a space or `T`, a time, and perhaps `Z`. Every moment is UTC.
pub(super) fn parse(text: &str) -> Result<i64> {
    let trimmed = text.trim();
    let (date, time) = trimmed.split_once(['T', 't', ' ']).unwrap_or((trimmed, "00:00"));
    let time = time.trim_start();
    let bare = time.strip_suffix(['Z', 'z']).or_else(|| time.strip_suffix("+00:00")).unwrap_or(time).trim_end();
    let clock = ["%H:%M", "%H:%M:%S%.f"].iter().find_map(|form| NaiveTime::parse_from_str(bare, form).ok());
    // A leap second is no moment of its own, and of the fraction six digits count.
    let clock = clock.filter(|clock| clock.nanosecond() < 1_000_000_000 && clock.nanosecond() % 1000 == 0);
    let plain = date.len() == 10 && bare.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
    let moment = plain.then(|| NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()).flatten().zip(clock);
    match moment {
        Some((date, clock)) => Ok(date.and_time(clock).and_utc().timestamp_micros()),
        None => wrong(format!("`{text}` is not a time: write '2026-10-14T02:00:00Z' or '2026-10-14', UTC")),
    }
}

/// Reads a day.
pub(super) fn parse_day(text: &str) -> Result<i64> {
    let micros = parse(text)?;
    if micros.rem_euclid(DAY) != 0 || text.trim().len() != 10 {
        return wrong(format!("`{text}` is not a day: write '2026-10-14'"));
    }
    Ok(micros.div_euclid(DAY))
}

/// A moment so many months and then microseconds later.
pub(super) fn shifted(micros: i64, months: i64, more: i64) -> Option<i64> {
    let time = moment(micros)?;
    let by = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let time = if months < 0 { time.checked_sub_months(by)? } else { time.checked_add_months(by)? };
    Some(time.checked_add_signed(TimeDelta::microseconds(more))?.and_utc().timestamp_micros())
}

/// A day so many days later.
pub(super) fn later_day(days: i64, more: i64) -> Option<i64> {
    let start = NaiveDate::default();
    let date = start.checked_add_signed(TimeDelta::try_days(days)?)?;
    let by = Days::new(more.unsigned_abs());
    let date = if more < 0 { date.checked_sub_days(by)? } else { date.checked_add_days(by)? };
    Some(self::days(date))
}

/// The letters of `strftime` whose meaning nobody disputes.
const FORMATS: &str = "YmdHMSjybBaA%";

/// Looks at a format of `strftime`.
pub(super) fn check_format(format: &str) -> Result<()> {
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter == '%' && !letters.next().is_some_and(|letter| FORMATS.contains(letter)) {
            let known: Vec<String> = FORMATS.chars().map(|letter| format!("%{letter}")).collect();
            return unsupported(format!("the format `{format}`"), format!("strftime knows {}", known.join(" ")));
        }
    }
    Ok(())
}

/// A moment by a format that was looked at.
pub(super) fn format(micros: i64, format: &str) -> Option<String> {
    let time = moment(micros)?;
    (0..=9999).contains(&time.year()).then(|| time.format(format).to_string())
}
