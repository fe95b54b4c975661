//! What to put into the DNS, in the words of a zone file.

use super::controls::Names;
use std::net::IpAddr;

/// Lines for a zone file, given the addresses of this host.
pub fn lines(names: &Names, addresses: &[IpAddr]) -> Vec<String> {
    let Names { host, domain } = names;
    let public: Vec<_> = addresses.iter().filter(|a| is_public(a)).collect();
    let mut lines = vec![format!("{domain}.  IN MX   10 {host}.")];
    for address in &public {
        let kind = if address.is_ipv4() { "A   " } else { "AAAA" };
        lines.push(format!("{host}.  IN {kind} {address}"));
    }
    if public.is_empty() {
        lines.push(format!("{host}.  IN A    (the public address of this host)"));
    }
    lines.push(format!("{domain}.  IN TXT  \"v=spf1 mx -all\""));
    if host != domain {
        lines.push(format!("{host}.  IN TXT  \"v=spf1 a -all\""));
    }
    for address in &public {
        lines.push(format!("{}  IN PTR  {host}.", reverse(address)));
    }
    if public.is_empty() {
        lines.push(format!("(and whoever gave you that address sets its PTR to {host}.)"));
    }
    lines
}

/// Whether the Internet reaches that address.
fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_documentation() || shared)
        }
        IpAddr::V6(v6) => v6.segments().first().is_some_and(|first| first & 0xe000 == 0x2000),
    }
}

/// The name under which the PTR record of an address stands.
fn reverse(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().rev().flat_map(|o| [o & 15, o >> 4]);
            let mut name: String = nibbles.map(|n| format!("{n:x}.")).collect();
            name.push_str("ip6.arpa.");
            name
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_host_domain_and_public_addresses_only() {
        let names = Names { host: "mail.example.org".into(), domain: "example.org".into() };
        let addresses =
            ["127.0.0.1", "10.0.0.1", "8.8.4.4", "fe80::1", "2a00::1"].map(|a| a.parse().unwrap());
        let lines = lines(&names, &addresses);
        assert_eq!(lines[0], "example.org.  IN MX   10 mail.example.org.");
        assert_eq!(lines[1], "mail.example.org.  IN A    8.8.4.4");
        assert_eq!(lines[2], "mail.example.org.  IN AAAA 2a00::1");
        assert!(lines.contains(&"4.4.8.8.in-addr.arpa.  IN PTR  mail.example.org.".to_owned()), "{lines:?}");
        assert_eq!(lines.last().unwrap().matches('.').count(), 32 + 2 + 3);
    }
}
