//! The listening sockets of the SMTP server.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use control::read::Control;
use nix::sys::socket::{self as sock, AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, sockopt};

/// Connections that may wait for the server to take them.
const BACKLOG: i32 = 1024;

/// More addresses than this are not listened on.
pub(crate) const SOCKETS_MAX: usize = 64;

/// Where to listen: what `control/smtplisten` says, or the SMTP port of all addresses. Lines that name no address and
/// port are described in `complain`.
pub(crate) fn addresses(home: &Path, complain: &mut dyn FnMut(String)) -> Vec<SocketAddr> {
    let everywhere = || vec![(Ipv4Addr::UNSPECIFIED, 25).into(), (Ipv6Addr::UNSPECIFIED, 25).into()];
    let lines = match Control::at(home).numbered_list("smtplisten") {
        Ok(Some(lines)) => lines,
        Ok(None) => return everywhere(),
        Err(error) => {
            complain(error.to_string());
            return Vec::new();
        }
    };
    let mut out = Vec::new();
    for (number, line) in lines {
        match std::str::from_utf8(&line).ok().and_then(|line| line.parse().ok()) {
            Some(address) if out.len() < SOCKETS_MAX => out.push(address),
            Some(_) => {
                complain(format!("control/smtplisten: more than {SOCKETS_MAX} lines; the rest is ignored"))
            }
            None => complain(format!(
                "control/smtplisten line {number}: \"{}\" is not address:port or [IPv6]:port; ignored",
                line.escape_ascii()
            )),
        }
    }
    out
}

/// Listens on `address`. An IPv6 socket takes IPv6 only, so that [::] and 0.0.0.0 go together.
pub(crate) fn listen(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let socket = sock::socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    sock::setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        sock::setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    sock::bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    sock::listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(socket)
}

/// Where a socket really listens, for port 0.
pub(crate) fn address_of(socket: &OwnedFd) -> Option<SocketAddr> {
    let address: SockaddrStorage = sock::getsockname(socket.as_raw_fd()).ok()?;
    let v4 = address.as_sockaddr_in().map(|v4| (v4.ip(), v4.port()).into());
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| (v6.ip(), v6.port()).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_address_are_told_and_skipped() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("control")).unwrap();
        let file = home.path().join("control/smtplisten");
        assert_eq!(addresses(home.path(), &mut |_| ()).len(), 2);
        std::fs::write(&file, "127.0.0.1:2525\n# here\n\n[::1]:2525\nlocalhost:25\n25\n").unwrap();
        let mut told = Vec::new();
        let got = addresses(home.path(), &mut |line| told.push(line));
        assert_eq!(got, ["127.0.0.1:2525".parse().unwrap(), "[::1]:2525".parse().unwrap()]);
        assert_eq!(told.len(), 2);
        assert_eq!(told[1], "control/smtplisten line 6: \"25\" is not address:port or [IPv6]:port; ignored");
        std::fs::write(&file, "").unwrap();
        assert!(addresses(home.path(), &mut |_| ()).is_empty());
    }

    #[test]
    fn port_nought_is_told_as_it_is() {
        let socket = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(address_of(&socket).unwrap().port(), 0);
    }
}
