//! Addresses and ranges, and how their texts can look.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// An address, or a range in CIDR notation; bits behind the prefix do not count. IPv4 addresses in IPv6 form are IPv4
/// addresses, as [`crate::cloudtrail::address`] reads them.
pub(super) fn parse(text: &str) -> Option<IpNet> {
    let range = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    let mapped = match range {
        IpNet::V6(range) => range.network().to_ipv4_mapped().zip(range.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    Some(mapped.and_then(|(network, prefix)| Ipv4Net::new(network, prefix).ok()).map_or(range, IpNet::V4))
}

/// Literals of which one is in every spelling of every address of the range; `None` where there are none.
pub(super) fn literals(range: &IpNet) -> Option<Vec<String>> {
    let whole = usize::from(range.prefix_len());
    match range.network() {
        IpAddr::V4(address) => {
            // There is one spelling: four numbers without leading zeros, whatever stands before and behind them.
            let numbers: Vec<String> = address.octets().iter().take(whole / 8).map(u8::to_string).collect();
            let dot = if numbers.len() == 4 { "" } else { "." };
            (numbers.len() >= 2).then(|| vec![numbers.join(".") + dot])
        }
        IpAddr::V6(address) => {
            // Any of the first six groups that is not zero is written out, and a colon follows; the last two may be
            // written as an IPv4 address. Letters may be large or small.
            let groups = address.segments().into_iter().take((whole / 16).min(6)).filter(|group| *group != 0);
            let spellings = groups.map(|group| cases(&format!("{group:x}:")));
            spellings
                .filter(|texts| texts.len() <= 16 && texts.iter().all(|text| text.len() >= 4))
                .max_by_key(|texts| (texts.first().map_or(0, String::len), std::cmp::Reverse(texts.len())))
        }
    }
}

/// A text with each of its letters large and small.
fn cases(text: &str) -> Vec<String> {
    text.chars().fold(vec![String::new()], |texts, c| {
        let mut both = vec![c, c.to_ascii_uppercase()];
        both.dedup();
        texts.iter().flat_map(|text| both.iter().map(move |c| format!("{text}{c}"))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Vec<String>> {
        literals(&parse(text).unwrap())
    }

    #[test]
    fn every_spelling_holds_a_literal() {
        assert_eq!(of("192.0.2.7"), Some(vec!["192.0.2.7".to_owned()]));
        assert_eq!(of("192.0.2.0/24"), Some(vec!["192.0.2.".to_owned()]));
        assert_eq!(of("192.0.2.0/23"), Some(vec!["192.0.".to_owned()]));
        assert_eq!(of("10.0.0.0/8"), None);
        assert_eq!(of("::1"), None);
        assert_eq!(of("::/0"), None);
        assert_eq!(of("2001:db8::/16"), Some(vec!["2001:".to_owned()]));
        let spellings = ["2001:db8::ab", "2001:0DB8:0:0:0:0:0:00ab", "2001:dB8::0.0.0.171"];
        let literals = of("2001:db8::ab").unwrap();
        for text in spellings {
            assert_eq!(text.parse::<IpAddr>(), "2001:db8::ab".parse());
            assert!(literals.iter().any(|literal| text.contains(literal.as_str())), "{text} {literals:?}");
        }
        let literals = of("0:a1b::/32").unwrap();
        assert_eq!(literals, ["a1b:", "a1B:", "A1b:", "A1B:"]);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in ["", "192.0.2", "192.0.2.0/33", "192.0.2.01", "2001:db8::/129", "lambda.amazonaws.com", "192.0.2.* "]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert!(parse("192.0.2.77/24").unwrap().contains(&"192.0.2.1".parse::<IpAddr>().unwrap()));
        for (mapped, range) in [("::ffff:192.0.2.7", "192.0.2.7"), ("::ffff:c000:200/120", "192.0.2.0/24")] {
            assert_eq!(parse(mapped), parse(range), "{mapped}");
        }
        assert_eq!(parse("::ffff:0:0/95"), "::ffff:0:0/95".parse().ok());
    }
}
