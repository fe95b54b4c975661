//! This host's own addresses.

use std::io;
use std::net::IpAddr;

/// Addresses of interfaces that are up. An IPv4 address in IPv6 form counts as IPv4.
pub fn addresses() -> io::Result<Vec<IpAddr>> {
    let mut found = Vec::new();
    for interface in nix::ifaddrs::getifaddrs()? {
        if !interface.flags.contains(nix::net::if_::InterfaceFlags::IFF_UP) {
            continue;
        }
        let Some(address) = interface.address else { continue };
        if let Some(four) = address.as_sockaddr_in() {
            found.push(IpAddr::V4(four.ip()));
        } else if let Some(six) = address.as_sockaddr_in6() {
            found.push(IpAddr::V6(six.ip()).to_canonical());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_address_is_one_that_something_could_have() {
        for address in super::addresses().unwrap() {
            assert!(!address.is_unspecified() && !address.is_multicast(), "{address}");
        }
    }
}
