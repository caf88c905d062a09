//! What strangers wrote, as text in the markup of channels: control and direction-changing characters are shown as in a terminal, and
//! nothing is taken for markup, a mention or a link.

use crate::escape;

/// For HTML, in a text or in a quoted attribute.
#[must_use]
pub fn html(text: &str) -> String {
    replaced(text, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _ => None,
    })
}

/// For Slack, where a message's text is not in `mrkdwn`: these three characters are all that is read there (docs.slack.dev,
/// "Formatting message text"). `*`, `_`, `~` and backticks cannot be escaped at all; where they would be read, text like this has no
/// place.
#[must_use]
pub fn slack(text: &str) -> String {
    replaced(text, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    })
}

fn replaced(text: &str, by: impl Fn(char) -> Option<&'static str>) -> String {
    let shown = escape::visible(text);
    let mut out = String::with_capacity(shown.len());
    for c in shown.chars() {
        match by(c) {
            Some(escape) => out.push_str(escape),
            None => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_stranger_is_markup() {
        for (text, in_slack, in_html) in [
            ("<!channel>", "&lt;!channel&gt;", "&lt;!channel&gt;"),
            ("<@U123|you>", "&lt;@U123|you&gt;", "&lt;@U123|you&gt;"),
            ("&lt;", "&amp;lt;", "&amp;lt;"),
            ("a\nb\u{202e}\u{1b}[31m", "a\\nb\\u{202e}\\u{1b}[31m", "a\\nb\\u{202e}\\u{1b}[31m"),
            ("\" onload='x'", "\" onload='x'", "&quot; onload=&#39;x&#39;"),
            ("😀 José", "😀 José", "😀 José"),
        ] {
            assert_eq!((slack(text).as_str(), html(text).as_str()), (in_slack, in_html));
        }
    }
}
