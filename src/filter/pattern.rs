//! A word, or one with wildcards: `*` stands for any characters, `?` for one.

use wildmatch::WildMatch;

/// What a value is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pattern {
    Exact(String),
    Glob(WildMatch),
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        if text.contains(['*', '?']) { Self::Glob(WildMatch::new(text)) } else { Self::Exact(text.to_owned()) }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Glob(glob) => glob.matches(text),
        }
    }

    /// What all texts that match hold: of a glob the longest part without wildcards.
    pub(super) fn literal(&self) -> String {
        match self {
            Self::Exact(exact) => exact.clone(),
            Self::Glob(glob) => {
                let pattern = glob.pattern();
                let parts = pattern.split(['*', '?']).rev();
                parts.max_by_key(|part| crate::cloudtrail::Literals::searchable(part)).unwrap_or_default().to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_characters() {
        let matches = |pattern: &str, text: &str| Pattern::new(pattern).matches(text);
        assert!(matches("Delete*", "DeleteUser") && matches("*", "") && matches("?b*", "ab"));
        assert!(!matches("Delete*", "xDeleteUser") && !matches("Delete", "DeleteUser") && !matches("?", ""));
        assert!(!matches("delete*", "DeleteUser"));
        assert_eq!(Pattern::new("*Login?Profile/abc").literal(), "Profile/abc");
        assert_eq!(Pattern::new("**").literal(), "");
    }
}
