//! The two ways a message leaves the queue; each has a spawner and a directory of recipients.

/// Where a recipient is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Channel {
    /// On this host, or at who controls a virtual domain: qmail-lspawn, `local/ID`.
    Local,
    /// Elsewhere: qmail-rspawn, `remote/ID`.
    Remote,
}

impl Channel {
    /// Both, in the order in which they are served.
    pub const BOTH: [Self; 2] = [Self::Local, Self::Remote];

    /// The name of its directory under `queue/`, and its word in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
        }
    }
}
