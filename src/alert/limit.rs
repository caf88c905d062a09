//! Texts under the limits of channels: cut without cutting a character, what belongs to it, or an escape.

use crate::escape;

/// What stands where something was cut off.
const CUT: char = '…';

/// How long a text may be, in what a channel counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Unicode characters.
    Chars(usize),
    /// Bytes of UTF-8.
    Bytes(usize),
    /// Units of UTF-16: JavaScript and Java count so. An emoji is two.
    Utf16(usize),
}

impl Limit {
    /// The most that it allows, in its own unit.
    #[must_use]
    pub const fn most(self) -> usize {
        match self {
            Self::Chars(most) | Self::Bytes(most) | Self::Utf16(most) => most,
        }
    }

    /// How long a text is, in the limit's own unit.
    #[must_use]
    pub fn measure(self, text: &str) -> usize {
        match self {
            Self::Chars(_) => text.chars().count(),
            Self::Bytes(_) => text.len(),
            Self::Utf16(_) => text.encode_utf16().count(),
        }
    }

    /// Whether a text is short enough.
    #[must_use]
    pub fn allows(self, text: &str) -> bool {
        self.measure(text) <= self.most()
    }
}

/// A text that `escape` makes harmless, under a limit that counts what it makes: what does not fit is cut off before it is escaped,
/// and ends in `…`. `escape` never makes a longer text shorter, and needs nothing that comes later to escape what is there.
#[must_use]
pub fn fit(text: &str, limit: Limit, escape: impl Fn(&str) -> String) -> String {
    // What alone is longer than the limit is never escaped whole: a stranger may have written megabytes.
    let shortest = text.char_indices().nth(limit.most().saturating_add(1)).map_or(text.len(), |(at, _)| at);
    let head = text.get(..shortest).unwrap_or_default();
    if shortest == text.len() {
        let whole = escape(text);
        if limit.allows(&whole) {
            return whole;
        }
    }
    let ends: Vec<usize> = head.char_indices().map(|(at, _)| at).collect();
    let begun = |end: usize| escape(&begin(head, end));
    let fitting = ends.partition_point(|end| limit.allows(&begun(*end)));
    let longest = fitting.checked_sub(1).and_then(|last| ends.get(last)).map(|end| begun(*end));
    longest.filter(|text| limit.allows(text)).unwrap_or_default()
}

/// A text as plain text of one line under a limit: control and direction-changing characters are shown.
#[must_use]
pub fn line(text: &str, limit: Limit) -> String {
    fit(text, limit, escape::visible)
}

/// The begin of a text up to a byte, or to the character before that ends whole there, and the mark of the cut.
fn begin(text: &str, end: usize) -> String {
    let (mut kept, mut rest) = text.split_at_checked(end).unwrap_or((text, ""));
    while let Some(last) = kept.chars().next_back().filter(|last| *last == '\u{200d}' || continues(rest)) {
        (kept, rest) = text.split_at_checked(kept.len() - last.len_utf8()).unwrap_or_default();
    }
    format!("{kept}{CUT}")
}

/// Whether a text begins with what belongs to the character before: a mark, a joiner, a skin color.
fn continues(text: &str) -> bool {
    text.chars().next().is_some_and(|c| {
        let own = c.to_string();
        let is_mark = escape::columns(&own) == 0 && escape::visible(&own) == own;
        is_mark || matches!(c, '\u{200c}' | '\u{200d}' | '\u{1f3fb}'..='\u{1f3ff}')
    })
}

/// The first of some items, as many as there is room for by the size of each, and how many are left out.
pub fn first<T>(items: impl IntoIterator<Item = T>, room: usize, size: impl Fn(&T) -> usize) -> (Vec<T>, usize) {
    let (mut kept, mut rest) = (Vec::new(), room);
    let mut items = items.into_iter();
    for item in items.by_ref() {
        match rest.checked_sub(size(&item)) {
            Some(left) => rest = left,
            None => return (kept, items.count() + 1),
        }
        kept.push(item);
    }
    (kept, 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::alert::markup;

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, limit, expected) in [
            ("abc", Limit::Chars(3), "abc"),
            ("abcd", Limit::Chars(3), "ab…"),
            ("abcd", Limit::Bytes(3), "…"),
            ("abcdefg", Limit::Bytes(6), "abc…"),
            ("ééé", Limit::Bytes(6), "ééé"),
            ("éééé", Limit::Bytes(6), "é…"),
            ("a😀😀", Limit::Utf16(5), "a😀😀"),
            ("a😀😀", Limit::Utf16(4), "a😀…"),
            ("a😀😀", Limit::Chars(3), "a😀😀"),
            ("ab👨\u{200d}👩\u{200d}👧", Limit::Chars(5), "ab…"),
            ("abe\u{301}\u{302}c", Limit::Chars(5), "ab…"),
            ("ab👍\u{1f3fd}c", Limit::Chars(4), "ab…"),
            ("❤\u{fe0f}❤\u{fe0f}", Limit::Chars(3), "❤\u{fe0f}…"),
            ("abc", Limit::Chars(1), "…"),
            ("abc", Limit::Bytes(2), ""),
            ("abc", Limit::Chars(0), ""),
            ("", Limit::Chars(0), ""),
        ] {
            assert_eq!(line(text, limit), expected, "{text:?} {limit:?}");
        }
    }

    #[test]
    fn an_escape_is_whole_or_not_there() {
        assert_eq!(line("ab\u{202e}c", Limit::Chars(9)), "ab…");
        assert_eq!(line("ab\u{202e}", Limit::Chars(10)), "ab\\u{202e}");
        assert_eq!(fit("a<<", Limit::Chars(6), markup::html), "a&lt;…");
        assert_eq!(fit("a<<", Limit::Chars(5), markup::html), "a…");
        let long = "<!channel>".repeat(100_000);
        let cut = fit(&long, Limit::Chars(3000), markup::html);
        assert!(cut.chars().count() <= 3000 && cut.len() > 2900 && cut.ends_with('…') && !cut.contains('<'));
    }

    #[test]
    fn what_has_no_room_is_counted() {
        assert_eq!(first([3, 4, 5], 12, |size| *size), (vec![3, 4, 5], 0));
        assert_eq!(first([3, 4, 5, 1], 11, |size| *size), (vec![3, 4], 2));
        assert_eq!(first([3], 2, |size| *size), (vec![], 1));
    }

    proptest! {
        #[test]
        fn what_fits_is_whole_and_nothing_is_longer(text in "(\\PC|[\u{0}-\u{20}<&\u{202e}\u{301}\u{200d}😀]){0,40}", most in 0_usize..60) {
            for limit in [Limit::Chars(most), Limit::Bytes(most), Limit::Utf16(most)] {
                for escape in [escape::visible, markup::html, markup::slack] {
                    let fitted = fit(&text, limit, escape);
                    let whole = escape(&text);
                    prop_assert!(limit.allows(&fitted), "{fitted:?} {limit:?}");
                    prop_assert_eq!(limit.allows(&whole), fitted == whole, "{:?} {:?}", fitted, whole);
                    let begin = fitted.strip_suffix(CUT).unwrap_or(&fitted);
                    prop_assert!(whole.starts_with(begin), "{begin:?} of {whole:?}");
                }
            }
        }
    }
}
