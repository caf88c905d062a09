//! Addresses that hold a user name and a password, which nobody may see.

use std::borrow::Cow;

/// An address without the user name and the password in it; `None` where there is neither.
#[must_use]
pub fn without_user(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, below) = rest.split_at(end);
    let (_, host) = authority.rsplit_once('@')?;
    Some(format!("{scheme}://{host}{below}"))
}

/// Whether a text is `http://host`, with a port and a path or not.
#[must_use]
pub fn is_http(address: &str) -> bool {
    let plain = without_user(address);
    let Some((scheme, rest)) = plain.as_deref().unwrap_or(address).split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let ports = port.is_empty() || port.parse::<u16>().is_ok();
    let odd = |text: &str| text.contains(|next: char| next.is_whitespace() || next.is_control() || next == '@');
    matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") && !host.is_empty() && ports && !odd(rest)
}

/// A text in which whatever stands before the host of an address is left out. Up to where an address reaches can be told only
/// where it is well formed: up to the last `@` before a quotation mark or a line's end, all of it goes. An object's name, which
/// begins with `s3://`, is shown in full.
#[must_use]
pub fn discreet(text: &str) -> Cow<'_, str> {
    if !text.contains("://") || !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let end = after.find(['`', '"', '\'', '<', '>', '\n', '\r']).unwrap_or(after.len());
        rest = match after.get(..end).and_then(|address| address.rfind('@')) {
            Some(at) if !before.ends_with("s3") => {
                shown.push_str("[not shown]@");
                after.get(at + 1..).unwrap_or_default()
            }
            _ => after,
        };
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (address, plain) in [
            ("http://user:pw@127.0.0.1:9000/x", Some("http://127.0.0.1:9000/x")),
            ("https://user@host", Some("https://host")),
            ("https://a:b@c@host?x=@", Some("https://host?x=@")),
            ("https://host/a@b", None),
            ("https://host", None),
        ] {
            assert_eq!(without_user(address).as_deref(), plain, "{address}");
        }
        for (text, shown) in [
            ("`http://user:pw@host` is wrong", "`http://[not shown]@host` is wrong"),
            ("\"http://u:p w/#?@h/x\" and \"ftp://u:pw@h\"", "\"http://[not shown]@h/x\" and \"ftp://[not shown]@h\""),
            ("nothing at https://host, ask a@b", "nothing at https://[not shown]@b"),
            ("https://host and a line\na@b", "https://host and a line\na@b"),
            ("a@b", "a@b"),
            ("could not read `s3://trail/a@b`", "could not read `s3://trail/a@b`"),
        ] {
            assert_eq!(discreet(text), shown, "{text}");
        }
    }
}
