//! control/qmqpservers: an address a line, and a port where it is not QMQP's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// QMQP's port.
pub const PORT: u16 = 628;

/// The servers in the lines, in order. What is no address is passed over, as the original does; so is text behind one.
///
/// An IPv4 address may carry a port, `192.0.2.1:6280`; an IPv6 address stands without brackets, and with them when it
/// carries one.
pub fn parse(lines: &[Vec<u8>]) -> Vec<SocketAddr> {
    lines.iter().filter_map(|line| server(line)).collect()
}

fn server(line: &[u8]) -> Option<SocketAddr> {
    if let Some(rest) = line.strip_prefix(b"[") {
        let end = rest.iter().position(|&byte| byte == b']')?;
        let address: Ipv6Addr = text(rest.get(..end)?)?.parse().ok()?;
        let after = rest.get(end.saturating_add(1)..)?;
        return Some(SocketAddr::new(IpAddr::V6(address), port(after).unwrap_or(PORT)));
    }
    let (four, after) = prefix(line, |byte| byte.is_ascii_digit() || byte == b'.');
    if let Some(address) = text(four).and_then(|four| four.parse::<Ipv4Addr>().ok()) {
        return Some(SocketAddr::new(IpAddr::V4(address), port(after).unwrap_or(PORT)));
    }
    let (six, _) = prefix(line, |byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.');
    text(six)?.parse::<Ipv6Addr>().ok().map(|address| SocketAddr::new(IpAddr::V6(address), PORT))
}

/// The number after a colon.
fn port(after: &[u8]) -> Option<u16> {
    let (digits, _) = prefix(after.strip_prefix(b":")?, |byte| byte.is_ascii_digit());
    text(digits)?.parse().ok()
}

fn prefix(line: &[u8], belongs: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = line.iter().position(|&byte| !belongs(byte)).unwrap_or(line.len());
    line.split_at(end)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_and_what_is_none() {
        let table = [
            ("127.0.0.2", Some("127.0.0.2:628")),
            ("127.0.0.2 backup", Some("127.0.0.2:628")),
            ("127.0.0.2:6280", Some("127.0.0.2:6280")),
            ("127.0.0.2:", Some("127.0.0.2:628")),
            ("2001:db8::1", Some("[2001:db8::1]:628")),
            ("[2001:db8::1]:77 x", Some("[2001:db8::1]:77")),
            ("[127.0.0.2]", None),
            ("mail.example", None),
            ("1.2.3", None),
            ("", None),
        ];
        for (line, wanted) in table {
            let wanted: Option<SocketAddr> = wanted.map(|wanted| wanted.parse().unwrap());
            assert_eq!(server(line.as_bytes()), wanted, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_an_answer(line: Vec<u8>) {
            let _ = server(&line);
        }
    }
}
