//! Text as ASCII, for what takes no more: names keep their look as far as letters without accents can have it.

use crate::escape::visible;

/// A text in one line of printable ASCII: letters of Latin script without their accents, typographic marks by plain ones, and `?` for any
/// other character.
#[must_use]
pub fn ascii(text: &str) -> String {
    visible(text).chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            ' '..='~' => out.push(c),
            _ => out.push_str(plain(c)),
        }
        out
    })
}

/// A text as [`ascii`], without what takes two units in the alphabet of SMS or is not in it (3GPP TS 23.038, 6.2.1).
#[must_use]
pub fn sms(text: &str) -> String {
    let replaced = |c| match c {
        '[' | '{' => '(',
        ']' | '}' => ')',
        '\\' | '|' => '/',
        '^' | '`' => '\'',
        '~' => '-',
        other => other,
    };
    ascii(text).chars().map(replaced).collect()
}

fn plain(c: char) -> &'static str {
    match c {
        'À'..='Å' | 'Ā' | 'Ă' | 'Ą' => "A",
        'Æ' => "AE",
        'Ç' | 'Ć' | 'Č' => "C",
        'Ď' | 'Đ' | 'Ð' => "D",
        'È'..='Ë' | 'Ē' | 'Ę' | 'Ě' => "E",
        'Ğ' => "G",
        'Ì'..='Ï' | 'Ī' | 'İ' => "I",
        'Ł' => "L",
        'Ñ' | 'Ń' | 'Ň' => "N",
        'Ò'..='Ö' | 'Ø' | 'Ō' | 'Ő' => "O",
        'Œ' => "OE",
        'Ř' => "R",
        'Ś' | 'Š' | 'Ş' => "S",
        'Ť' => "T",
        'Ù'..='Ü' | 'Ū' | 'Ů' | 'Ű' => "U",
        'Ý' => "Y",
        'Ź' | 'Ż' | 'Ž' => "Z",
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è'..='ë' | 'ē' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì'..='ï' | 'ī' | 'ı' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => "o",
        'œ' => "oe",
        'ř' => "r",
        'ś' | 'š' | 'ş' => "s",
        'ß' => "ss",
        'ť' => "t",
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        '‘' | '’' | '‚' => "'",
        '“' | '”' | '„' => "\"",
        '–' | '—' | '‐' | '‑' => "-",
        '…' => "...",
        '\u{a0}' => " ",
        // A mark on the letter before it.
        '\u{300}'..='\u{36f}' => "",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::samples::hostile;

    #[test]
    fn names_stay_readable() {
        for (text, expected) in [
            ("alice", "alice"),
            ("José Müller-Øst", "Jose Muller-Ost"),
            ("Jose\u{301}", "Jose"),
            ("Ærøskøbing straße", "AEroskobing strasse"),
            ("“x” – ‘y’…", "\"x\" - 'y'..."),
            ("山田", "??"),
            ("a\u{202e}\n😀", "a\\u{202e}\\n?"),
        ] {
            assert_eq!(ascii(text), expected);
        }
        assert_eq!(sms("[a] {b} \\ | ^ ~ `c` @ é"), "(a) (b) / / ' - 'c' @ e");
        for text in hostile() {
            assert!(ascii(&text).bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            assert!(!sms(&text).contains(['[', ']', '{', '}', '\\', '|', '^', '~', '`']));
        }
    }
}
