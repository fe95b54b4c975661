//! The resolver of a process that may live longer than /etc/resolv.conf stays as it is.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use dns::{Resolver, Servers};

use crate::settings::LOOK_INTERVAL;

/// Where no server is named, one is expected on this host, as in resolv.conf(5).
const DEFAULT: Servers = Servers::At(SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 53));

/// Device, inode and times of last change of resolv.conf.
type Mark = Option<(u64, u64, i64, i64, i64)>;

/// Makes a resolver when one is first needed, and another when the servers have changed. Its cache goes with it.
#[derive(Debug)]
pub struct NameServers {
    servers: Servers,
    file: PathBuf,
    known: RefCell<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    looked: Instant,
    mark: Mark,
    resolver: Rc<Resolver>,
}

impl NameServers {
    /// `file` is what to watch for changes of the system's servers.
    pub fn new(servers: Servers, file: PathBuf) -> Self {
        Self { servers, file, known: RefCell::new(None) }
    }

    /// The resolver at `now`; a change is seen within [`LOOK_INTERVAL`]. `None` where none can be made at all.
    pub fn resolver(&self, now: Instant) -> Option<Rc<Resolver>> {
        let mut known = self.known.borrow_mut();
        if let Some(known) = known.as_ref()
            && now.saturating_duration_since(known.looked) < LOOK_INTERVAL
        {
            return Some(Rc::clone(&known.resolver));
        }
        let mark = std::fs::metadata(&self.file)
            .ok()
            .map(|found| (found.dev(), found.ino(), found.mtime(), found.mtime_nsec(), found.ctime_nsec()));
        if let Some(known) = known.as_mut().filter(|known| known.mark == mark) {
            known.looked = now;
            return Some(Rc::clone(&known.resolver));
        }
        let resolver = Rc::new(Resolver::new(self.servers).or_else(|_| Resolver::new(DEFAULT)).ok()?);
        *known = Some(Known { looked: now, mark, resolver: Rc::clone(&resolver) });
        Some(resolver)
    }
}
