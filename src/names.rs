//! Names as people type them: in any case, with `*` for any characters and `?` for one, and misspelt.
//!
//! IAM's names are unique without regard to case, so a name in another case is the same name. Only ASCII letters have two
//! cases here, as in IAM: the search of bytes that a filter lends its words to knows no others.

use std::borrow::Cow;

use wildmatch::WildMatch;

/// How many letters may be wrong in a name that is taken for another.
pub const TYPO: usize = 3;

/// Bytes of a text that may be a misspelt name. Nobody mistypes a longer one into one of ours, and comparisons stay short.
const LONGEST: usize = 64;

/// How many names are suggested.
const SUGGESTED: usize = 3;

/// A name or a pattern, as a filter has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// In lower case, where case does not matter.
    text: String,
    glob: Option<WildMatch>,
    any_case: bool,
}

impl Pattern {
    /// A name, in any case.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self::of(text.to_ascii_lowercase(), true)
    }

    /// An id, whose case matters.
    #[must_use]
    pub fn id(text: &str) -> Self {
        Self::of(text.to_owned(), false)
    }

    fn of(text: String, any_case: bool) -> Self {
        let glob = text.contains(['*', '?']).then(|| WildMatch::new(&text));
        Self { text, glob, any_case }
    }

    /// Patterns of several values.
    #[must_use]
    pub fn all(values: &[String]) -> Vec<Self> {
        values.iter().map(|value| Self::new(value)).collect()
    }

    /// Whether `name` is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match &self.glob {
            None if self.any_case => self.text.eq_ignore_ascii_case(name),
            None => self.text == name,
            Some(glob) if self.any_case => glob.matches(&lower(name)),
            Some(glob) => glob.matches(name),
        }
    }

    /// Whether the case of ASCII letters does not matter.
    #[must_use]
    pub fn any_case(&self) -> bool {
        self.any_case
    }

    /// The name, where it is one and not a pattern; in lower case where case does not matter.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.glob.is_none().then_some(self.text.as_str())
    }

    /// What every name that matches holds: the pieces between the wildcards, in order.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        let wild: &[char] = if self.glob.is_some() { &['*', '?'] } else { &[] };
        self.text.split(wild)
    }
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Letters to change, to add and to leave out to make one of the other.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    strsim::levenshtein(a, b)
}

/// The one of a few names that `value` misspells: the nearest of those with at most `slips` wrong letters, in whatever case.
#[must_use]
pub fn misspelt<'k>(value: &str, known: impl IntoIterator<Item = &'k str>, slips: usize) -> Option<&'k str> {
    if value.len() > LONGEST {
        return None;
    }
    let value = value.to_ascii_lowercase();
    let edits = |name: &'k str| (distance(&name.to_ascii_lowercase(), &value), name);
    let (edits, name) = known.into_iter().map(edits).min_by_key(|(edits, _)| *edits)?;
    (edits <= slips).then_some(name)
}

/// The names that may have been meant by `value`, the nearest first: those of a few other letters, and those that hold it.
#[must_use]
pub fn near<'k>(value: &str, known: impl IntoIterator<Item = &'k str>) -> Vec<&'k str> {
    let value: String = value.to_lowercase().chars().filter(|c| !matches!(c, '*' | '?')).collect();
    // In a short name every letter counts.
    let most = TYPO.min(value.chars().count().div_ceil(3));
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .map(|name| (name, name.to_lowercase()))
        .map(|(name, lower)| (distance(&lower, &value), name, lower))
        .filter(|(edits, _, lower)| *edits <= most || (value.len() >= 3 && lower.contains(&value)))
        .map(|(edits, name, _)| (edits, name))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(SUGGESTED).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_characters_and_case_for_nothing() {
        let matches = |pattern: &str, name: &str| Pattern::new(pattern).matches(name);
        for (pattern, name) in [
            ("Delete*", "DeleteUser"),
            ("delete*", "DeleteUser"),
            ("DELETEUSER", "DeleteUser"),
            ("*", ""),
            ("?b*", "Ab"),
            ("*MFAdevice", "DeactivateMFADevice"),
            ("zoë", "Zoë"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("Delete*", "xDeleteUser"),
            ("Delete", "DeleteUser"),
            ("?", ""),
            ("", "a"),
            ("ZOË", "zoë"),
            // Lower case makes a `k` of the sign for kelvin, and the bytes hold none.
            ("?k", "a\u{212a}"),
            ("k", "\u{212a}"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        assert!(Pattern::id("AIDA*").matches("AIDAEXAMPLE") && !Pattern::id("aida*").matches("AIDAEXAMPLE"));
        assert!(Pattern::id("AIDA").matches("AIDA") && !Pattern::id("aida").matches("AIDA"));
    }

    #[test]
    fn the_parts_are_what_every_match_holds() {
        let parts = |text: &str| Pattern::new(text).parts().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parts("*Login?Profile/abc"), ["", "login", "profile/abc"]);
        assert_eq!(parts("**"), ["", "", ""]);
        assert_eq!(parts("Alice"), ["alice"]);
        assert_eq!((Pattern::new("Alice").name(), Pattern::new("al*").name()), (Some("alice"), None));
    }

    #[test]
    fn the_nearest_name_is_the_misspelt_one() {
        let known = ["approver", "account", "valid_from", "valid_to"];
        for (value, slips, meant) in [
            ("aprover", 2, Some("approver")),
            ("Acount", 2, Some("account")),
            ("valid_t", 3, Some("valid_to")),
            ("VALID_FORM", 2, Some("valid_from")),
            ("accnts", 1, None),
            ("ticket", 3, None),
            ("", 3, None),
        ] {
            assert_eq!(misspelt(value, known, slips), meant, "{value}");
        }
        let long = "a".repeat(65);
        assert_eq!(misspelt(&long, [&*long], 3), None);
        assert_eq!(misspelt("a", [], 3), None);
    }

    #[test]
    fn near_names_are_suggested() {
        let known = ["felix.moreau", "jonas.lind", "oscar.berg", "Jonas.Lindt"];
        for (value, names) in [
            ("felix.morau", vec!["felix.moreau"]),
            ("JONAS.LIND", vec!["jonas.lind", "Jonas.Lindt"]),
            ("jonas", vec!["Jonas.Lindt", "jonas.lind"]),
            ("berg*", vec!["oscar.berg"]),
            ("ab", vec![]),
            ("entirely.other", vec![]),
        ] {
            let found = near(value, known);
            assert_eq!(found.len(), names.len(), "{value}: {found:?}");
            assert!(names.iter().all(|name| found.contains(name)), "{value}: {found:?}");
        }
    }
}
