//! LIKE: `%` is any text, `_` one letter, and the whole text must fit.

/// A sign of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Letter(char),
    One,
    Any,
}

fn signs(pattern: &str, escape: Option<char>) -> Vec<Sign> {
    let mut letters = pattern.chars();
    let mut signs = Vec::new();
    while let Some(letter) = letters.next() {
        signs.push(match letter {
            letter if Some(letter) == escape => Sign::Letter(letters.next().unwrap_or(letter)),
            '%' => Sign::Any,
            '_' => Sign::One,
            letter => Sign::Letter(letter),
        });
    }
    signs
}

/// Whether a text fits a pattern.
pub(super) fn like(text: &str, pattern: &str, insensitive: bool, escape: Option<char>) -> bool {
    if insensitive {
        return fits(&lower(text), &signs(&lower(pattern), escape));
    }
    fits(text, &signs(pattern, escape))
}

/// Goes on from the last `%` where a letter does not fit: no more than letters times signs.
fn fits(text: &str, signs: &[Sign]) -> bool {
    let letters: Vec<char> = text.chars().collect();
    let (mut at, mut sign) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < letters.len() {
        match signs.get(sign) {
            Some(Sign::Any) => {
                retry = Some((at, sign + 1));
                sign += 1;
            }
            Some(Sign::One) => (at, sign) = (at + 1, sign + 1),
            Some(Sign::Letter(letter)) if letters.get(at) == Some(letter) => (at, sign) = (at + 1, sign + 1),
            _ => {
                let Some((from, after)) = retry else { return false };
                retry = Some((from + 1, after));
                (at, sign) = (from + 1, after);
            }
        }
    }
    signs.iter().skip(sign).all(|sign| *sign == Sign::Any)
}

/// One letter for one letter: a text keeps its length.
pub(super) fn lower(text: &str) -> String {
    let one = |letter: char| {
        let mut lower = letter.to_lowercase();
        lower.next().filter(|_| lower.next().is_none()).unwrap_or(letter)
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_must_fit() {
        for (text, pattern, fits) in [
            ("", "", true),
            ("", "%", true),
            ("a", "", false),
            ("abc", "abc", true),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "%b%", true),
            ("abc", "_b_", true),
            ("abc", "__", false),
            ("aXbXc", "a%X%c", true),
            ("aab", "%ab", true),
            ("a\nb", "a%b", true),
            ("äb", "_b", true),
            ("100%", "100!%", true),
            ("1000", "100!%", false),
            ("a!", "a!!", true),
        ] {
            assert_eq!(like(text, pattern, false, Some('!')), fits, "{text} LIKE {pattern}");
        }
        assert!(like("ÄB", "äb", true, None) && !like("ÄB", "äb", false, None));
    }

    #[test]
    fn many_wildcards_end() {
        let text = "a".repeat(20_000);
        assert!(!like(&text, &format!("{}b", "%a".repeat(200)), false, None));
    }
}
