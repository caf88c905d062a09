//! `sourceIPAddress`: what in it is an IP address.

use std::net::{IpAddr, SocketAddr};

/// The IP address that `sourceIPAddress` holds, `None` where it holds anything else.
///
/// CloudTrail writes `AWS Internal` or a service's DNS name (`cloudformation.amazonaws.com`) there when a service made the
/// call for somebody: such a name tells nothing about where a caller was (CloudTrail user guide, "CloudTrail record
/// contents"). A port behind the address is passed over, and an IPv4 address in IPv6 form (`::ffff:192.0.2.7`, with dots as
/// RFC 5952 section 5 has it) is that IPv4 address.
#[must_use]
pub fn address(text: &str) -> Option<IpAddr> {
    let address = text.parse().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip())).ok()?;
    Some(if text.contains('.') { IpAddr::to_canonical(&address) } else { address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ip_address_is_an_address() {
        for (text, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:443", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("2001:DB8:0:0:0:0:0:7", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:443", "192.0.2.7"),
            ("2001:db8::192.0.2.7", "2001:db8::c000:207"),
            ("::1", "::1"),
        ] {
            assert_eq!(address(text), Some(expected.parse().unwrap()), "{text}");
        }
        for name in [
            "",
            "-",
            "AWS Internal",
            "cloudtrail.amazonaws.com",
            "ec2.amazonaws.com.cn",
            "192.0.2",
            "192.0.2.256",
            "192.0.2.07",
            "192.0.2.0/24",
            "192.0.2.7:",
            " 192.0.2.7",
            "192.0.2.7, 192.0.2.8",
            "2001:db8::7::",
            "host-192.0.2.7",
            "XXXXXXXXXXX",
            "HIDDEN_DUE_TO_SECURITY_REASONS",
        ] {
            assert_eq!(address(name), None, "{name}");
        }
    }
}
