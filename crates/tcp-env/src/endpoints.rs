//! Addresses and names of both ends of a connection.

use dns::{Lookup, Resolver};
use nix::sys::socket::{SockaddrLike, SockaddrStorage, getpeername, getsockname};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

/// What stands for a name that could not be looked up now.
const NOT_NOW: &[u8] = b"softdnserror";

/// Both ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoints {
    /// Ours.
    pub local: SocketAddr,
    /// The other.
    pub remote: SocketAddr,
}

impl Endpoints {
    /// Of a connected TCP socket; `None` if it is none.
    pub fn of(socket: impl AsFd) -> Option<Self> {
        let fd = socket.as_fd().as_raw_fd();
        let local = getsockname::<SockaddrStorage>(fd).ok()?;
        let remote = getpeername::<SockaddrStorage>(fd).ok()?;
        Some(Self { local: address(&local)?, remote: address(&remote)? })
    }
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    match storage.family()? {
        nix::sys::socket::AddressFamily::Inet => {
            storage.as_sockaddr_in().map(|four| SocketAddr::new(IpAddr::V4(four.ip()), four.port()))
        }
        nix::sys::socket::AddressFamily::Inet6 => {
            storage.as_sockaddr_in6().map(|six| SocketAddr::new(IpAddr::V6(six.ip()), six.port()))
        }
        _ => None,
    }
}

/// What the DNS calls an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Name {
    /// This, in lower case.
    Known(Vec<u8>),
    /// Nothing.
    None,
    /// It cannot be asked now.
    NotNow,
}

impl Name {
    /// Looks `address` up.
    pub async fn of(address: IpAddr, resolver: Option<&Resolver>) -> Self {
        match resolver {
            None => Self::NotNow,
            Some(resolver) => match resolver.name_of(address.to_canonical()).await {
                Lookup::Found(name) => Self::Known(name.to_ascii_lowercase()),
                Lookup::Absent => Self::None,
                Lookup::Unavailable => Self::NotNow,
            },
        }
    }

    /// The value of the variable, if it is to be set.
    pub fn into_value(self) -> Option<Vec<u8>> {
        match self {
            Self::Known(name) => Some(name),
            Self::None => None,
            Self::NotNow => Some(NOT_NOW.to_vec()),
        }
    }
}
