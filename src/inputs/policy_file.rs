//! `--policy`: the settings that decide figures, in TOML. What the file leaves out keeps its default.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{InputError, Place, Problem, read_text};
use super::table::finish;
use super::{Settings, Signal};
use crate::names::Pattern;
use crate::names::{TYPO, misspelt};
use crate::units::parse_duration;

const KEYS: [&str; 7] = [
    "offboarding_grace",
    "replacement_grace",
    "lookback",
    "takeover_signals",
    "takeover_threshold",
    "owner_tags",
    "not_detectors",
];

/// A user and a role that no pattern names by chance.
const ANYBODY: [&str; 2] = ["arn:aws:iam::000000000000:user/=", "arn:aws:iam::000000000000:role/="];

/// Of a pattern in `not_detectors`.
const EXAMPLE: &str = "`arn:aws:iam::*:role/inventory-*`";

/// Reads a policy file.
///
/// # Errors
/// [`InputError`] names the file and everything that is wrong with it.
pub fn read(path: &Path) -> Result<Settings, InputError> {
    let (file, text) = read_text(path)?;
    from_text(&file, &text)
}

/// Reads settings from text; `file` is the name that errors bear.
///
/// # Errors
/// As of [`read`].
pub fn from_text(file: &str, text: &str) -> Result<Settings, InputError> {
    let lines = lines(text);
    let (settings, problems) = match DeTable::parse(&lines) {
        Ok(table) => from_table(text, table.get_ref()),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let place = Place::of_byte(text, at);
            (Settings::default(), vec![Problem::at(place, None, error.message().replace('\n', ", "))])
        }
    };
    finish(file, settings, problems)
}

/// Reads settings from a table of `text`, and tells what is wrong with them.
pub(crate) fn from_table(text: &str, table: &DeTable<'_>) -> (Settings, Vec<Problem>) {
    let mut settings = Settings::default();
    let mut reader = Reader { text, problems: Vec::new() };
    let mut threshold_at = 0;
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        match name {
            "offboarding_grace" => reader.seconds(name, value, &mut settings.offboarding_grace_s),
            "replacement_grace" => reader.seconds(name, value, &mut settings.replacement_grace_s),
            "lookback" => reader.seconds(name, value, &mut settings.lookback_s),
            "takeover_signals" => {
                if let Some(names) = reader.strings(name, value) {
                    settings.takeover_signals = reader.signals(name, &names);
                }
            }
            "takeover_threshold" => {
                threshold_at = value.span().start;
                let number = match value.get_ref() {
                    DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
                    _ => None,
                };
                match number.and_then(|number| usize::try_from(number).ok()) {
                    Some(number) if number >= 1 => settings.takeover_threshold = number,
                    _ => reader.problem(name, value, "must be a whole number of at least 1".to_owned()),
                }
            }
            "owner_tags" => {
                if let Some(tags) = reader.strings(name, value) {
                    for (_, at) in tags.iter().filter(|(tag, _)| tag.trim().is_empty()) {
                        reader.problem_at(name, *at, "a tag's key cannot be empty".to_owned());
                    }
                    settings.owner_tags = tags.into_iter().map(|(tag, _)| tag).collect();
                }
            }
            "not_detectors" => {
                if let Some(patterns) = reader.strings(name, value) {
                    settings.not_detectors = reader.detectors(name, patterns);
                }
            }
            _ => {
                let hint = match misspelt(name, KEYS, TYPO) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the keys are {}", KEYS.join(", ")),
                };
                let at = Place::of_byte(text, key.span().start);
                reader.problems.push(Problem::at(at, None, format!("unknown key `{name}` (hint: {hint})")));
            }
        }
    }
    // No signals at all is a way to switch the class off. Fewer than the threshold is a slip that would do so silently.
    let signals = settings.takeover_signals.len();
    if reader.problems.is_empty() && signals > 0 && settings.takeover_threshold > signals {
        let what = format!(
            "{} cannot be reached with {signals} signals (hint: lower it, or add signals to `takeover_signals`)",
            settings.takeover_threshold
        );
        reader.problem_at("takeover_threshold", threshold_at, what);
    }
    (settings, reader.problems)
}

/// The text with LF for a lone CR, which ends a line everywhere but in TOML. Every byte keeps its place.
fn lines(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let lone = |at: usize| bytes.get(at + 1) != Some(&b'\n');
    if !text.match_indices('\r').any(|(at, _)| lone(at)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.char_indices().map(|(at, c)| if c == '\r' && lone(at) { '\n' } else { c }).collect())
}

struct Reader<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem_at(&mut self, key: &str, offset: usize, what: String) {
        self.problems.push(Problem::at(Place::of_byte(self.text, offset), Some(key), what));
    }

    fn problem(&mut self, key: &str, value: &Spanned<DeValue<'_>>, what: String) {
        self.problem_at(key, value.span().start, what);
    }

    fn seconds(&mut self, key: &str, value: &Spanned<DeValue<'_>>, setting: &mut i64) {
        let DeValue::String(text) = value.get_ref() else {
            return self.problem(key, value, "must be a string such as \"24h\"".to_owned());
        };
        match parse_duration(text) {
            Ok(duration) if duration.num_seconds() > 0 => *setting = duration.num_seconds(),
            Ok(_) => self.problem(key, value, "must be greater than zero".to_owned()),
            Err(error) => self.problem(key, value, error.to_string()),
        }
    }

    /// A list of strings, each with its offset.
    fn strings(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Vec<(String, usize)>> {
        let DeValue::Array(items) = value.get_ref() else {
            self.problem(key, value, "must be a list of strings".to_owned());
            return None;
        };
        let mut strings = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) => strings.push((text.to_string(), item.span().start)),
                _ => self.problem(key, item, "must be a string".to_owned()),
            }
        }
        Some(strings)
    }

    /// Patterns of ARNs. What can match no ARN, or matches every one, is a slip that would say nothing or hide everybody.
    fn detectors(&mut self, key: &str, patterns: Vec<(String, usize)>) -> Vec<String> {
        for (pattern, at) in &patterns {
            let pattern = pattern.as_str();
            let any = ANYBODY.iter().all(|arn| Pattern::new(pattern).matches(arn));
            let arn = pattern.starts_with(['*', '?']) || pattern.to_ascii_lowercase().starts_with("arn:");
            let what = match (any, arn) {
                (false, true) => continue,
                (true, _) => format!("`{pattern}` matches everybody (hint: be specific, such as {EXAMPLE})"),
                (false, false) => format!("`{pattern}` matches no ARN (hint: write one, such as {EXAMPLE})"),
            };
            self.problem_at(key, *at, what);
        }
        patterns.into_iter().map(|(pattern, _)| pattern).collect()
    }

    fn signals(&mut self, key: &str, names: &[(String, usize)]) -> BTreeSet<Signal> {
        let mut signals = BTreeSet::new();
        for (name, at) in names {
            if let Some(signal) = Signal::ALL.into_iter().find(|signal| signal.name() == name) {
                signals.insert(signal);
                continue;
            }
            let hint = match misspelt(name, Signal::ALL.map(Signal::name), TYPO) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the signals are {}", Signal::ALL.map(Signal::name).join(", ")),
            };
            self.problem_at(key, *at, format!("unknown signal `{name}` (hint: {hint})"));
        }
        signals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        from_text("policy.toml", text).expect_err(text).to_string()
    }

    #[test]
    fn what_is_left_out_keeps_its_default() {
        assert_eq!(from_text("p", "").expect("empty"), Settings::default());
        let text = "offboarding_grace = \"36h\"\nreplacement_grace = \"30m\"\nlookback = \"7d\"\n\
                    takeover_signals = [\"root_user\", \"new_source\", \"persistence\"]\ntakeover_threshold = 0x3\n\
                    owner_tags = [\"team\"]\nnot_detectors = [\"arn:aws:iam::*:role/scan-?\", \"*:role/inventory\"]\n";
        let settings = from_text("p", text).expect("all keys");
        assert_eq!(settings.offboarding_grace_s, 129_600);
        assert_eq!(settings.replacement_grace_s, 1_800);
        assert_eq!(settings.lookback_s, 604_800);
        assert_eq!(
            settings.takeover_signals,
            [Signal::RootUser, Signal::NewSource, Signal::Persistence].into_iter().collect()
        );
        assert_eq!(settings.takeover_threshold, 3);
        assert_eq!(settings.owner_tags, ["team"]);
        assert_eq!(settings.not_detectors, ["arn:aws:iam::*:role/scan-?", "*:role/inventory"]);
        assert!(from_text("p", "takeover_signals = []").expect("off").takeover_signals.is_empty());
    }

    #[test]
    fn all_problems_are_named_with_their_places() {
        let text = "ofboarding_grace = \"1h\"\nreplacement_grace = 60\nlookback = \"0d\"\ntakeover_threshold = 0\n\
                    takeover_signals = [\"new_sorce\", 7]\nowner_tags = \"owner\"\nquite_different = 1\n";
        assert_eq!(
            error(text),
            "`policy.toml`: line 1, column 1: unknown key `ofboarding_grace` (hint: did you mean `offboarding_grace`?)\n\
             `policy.toml`: line 2, column 21 (`replacement_grace`): must be a string such as \"24h\"\n\
             `policy.toml`: line 3, column 12 (`lookback`): must be greater than zero\n\
             `policy.toml`: line 4, column 22 (`takeover_threshold`): must be a whole number of at least 1\n\
             `policy.toml`: line 5, column 21 (`takeover_signals`): unknown signal `new_sorce` (hint: did you mean `new_source`?)\n\
             `policy.toml`: line 5, column 34 (`takeover_signals`): must be a string\n\
             `policy.toml`: line 6, column 14 (`owner_tags`): must be a list of strings\n\
             `policy.toml`: line 7, column 1: unknown key `quite_different` (hint: the keys are offboarding_grace, replacement_grace, lookback, takeover_signals, takeover_threshold, owner_tags, not_detectors)"
        );
    }

    #[test]
    fn ranges_and_syntax() {
        assert!(error("lookback = \"1x\"").contains("is not a duration"));
        assert!(error("takeover_threshold = -1").contains("at least 1"));
        assert!(error("takeover_threshold = 2.0").contains("at least 1"));
        assert!(error("takeover_threshold = 99999999999999999999").contains("at least 1"));
        assert!(error("takeover_threshold = 8").contains("cannot be reached with 7 signals"));
        assert!(error("owner_tags = [\" \"]").contains("cannot be empty"));
        for (pattern, what) in [
            ("*", "matches everybody"),
            ("**?", "matches everybody"),
            ("arn:*", "matches everybody"),
            ("arn:aws:iam::*", "matches everybody"),
            ("", "matches no ARN"),
            ("scanner", "matches no ARN"),
            ("role/scanner", "matches no ARN"),
        ] {
            let message =
                error(&format!("lookback = \"9d\"\nnot_detectors = [\"arn:aws:iam::*:role/a\", \"{pattern}\"]"));
            assert!(message.starts_with("`policy.toml`: line 2, column 43 (`not_detectors`): "), "{message}");
            assert!(message.contains(what), "{pattern}: {message}");
        }
        assert!(error("not_detectors = \"arn:aws:iam::*:role/a\"").contains("must be a list of strings"));
        assert!(error("a = 1\nlookback = ").starts_with("`policy.toml`: line 2, column"));
    }

    #[test]
    fn lines_are_those_of_an_editor() {
        for (ends, blank) in [("\n", "\n\n"), ("\r\n", "\r\n\r\n"), ("\r", "\r\r")] {
            let text = format!("{blank}lookback = \"7d\"{ends}# é{blank}takeover_threshold = 0{ends}");
            assert!(
                error(&text).starts_with("`policy.toml`: line 6, column 22 (`takeover_threshold`)"),
                "{}",
                error(&text)
            );
            let text = format!("lookback = \"7d\"{ends}{ends}owner_tags = [\"a\",{ends}  7]{ends}");
            assert!(error(&text).starts_with("`policy.toml`: line 4, column 3 (`owner_tags`)"), "{}", error(&text));
            let text = format!("lookback = \"7d\"{ends}owner_tags = ]{ends}");
            assert!(error(&text).starts_with("`policy.toml`: line 2, column 14"), "{}", error(&text));
        }
    }
}
