//! The socket of the syslog daemon, without the C library's client, which blocks while the daemon does (D62).

use std::io::{self, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where syslog daemons listen.
pub const SOCKET: &str = "/dev/log";
/// How long a message may wait for a daemon that is there but does not read.
const PATIENCE: Duration = Duration::from_secs(5);

/// A way to the daemon. It is opened when first needed, and again when the daemon has been restarted.
#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    socket: Option<Socket>,
    /// The daemon did not read; until it does, nobody waits for it.
    stuck: bool,
    lost: u64,
}

#[derive(Debug)]
enum Socket {
    Datagram(UnixDatagram),
    /// Messages end with NUL.
    Stream(UnixStream),
}

impl Syslog {
    /// To the daemon that listens at `path`, usually [`SOCKET`].
    pub fn at(path: &Path) -> Self {
        Self { path: path.into(), socket: None, stuck: false, lost: 0 }
    }

    /// Sends a complete message, `<PRIORITY>DATE TAG: TEXT`. A message that cannot be sent is counted.
    pub fn send(&mut self, message: &[u8]) {
        // An old connection may lead to a daemon that is gone; a new one does not.
        let sent = self.try_send(message).or_else(|error| {
            if is_full(&error) {
                return Err(error);
            }
            self.socket = None;
            self.try_send(message)
        });
        match sent {
            Ok(()) => self.set_stuck(false),
            Err(error) => {
                self.lost = self.lost.saturating_add(1);
                if is_full(&error) {
                    self.set_stuck(true);
                }
            }
        }
    }

    /// How many messages were lost since this was last asked, once messages get through again.
    pub fn take_lost(&mut self) -> Option<u64> {
        (self.lost > 0 && !self.stuck && self.socket.is_some()).then(|| std::mem::take(&mut self.lost))
    }

    fn try_send(&mut self, message: &[u8]) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => connect(&self.path)?,
        };
        let sent = match &socket {
            Socket::Datagram(socket) => socket.send(message).map(drop),
            Socket::Stream(socket) => (&mut &*socket).write_all(&[message, b"\0"].concat()),
        };
        self.socket = Some(socket);
        sent
    }

    fn set_stuck(&mut self, stuck: bool) {
        if self.stuck != stuck {
            self.stuck = stuck;
            let _ = match &self.socket {
                Some(Socket::Datagram(socket)) => socket.set_nonblocking(stuck),
                // A piece of a message may already be on its way: it cannot be tried again on this connection.
                Some(Socket::Stream(_)) => {
                    self.socket = None;
                    Ok(())
                }
                None => Ok(()),
            };
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

fn connect(path: &Path) -> io::Result<Socket> {
    let datagram = UnixDatagram::unbound()?;
    match datagram.connect(path) {
        Ok(()) => {
            datagram.set_write_timeout(Some(PATIENCE))?;
            Ok(Socket::Datagram(datagram))
        }
        // The daemon's socket is of the other kind.
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
            let stream = UnixStream::connect(path)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Socket::Stream(stream))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixListener;

    #[test]
    fn messages_are_counted_while_there_is_no_daemon_and_arrive_when_there_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut syslog = Syslog::at(&path);
        syslog.send(b"<1>lost");
        assert_eq!(syslog.take_lost(), None);
        let daemon = UnixDatagram::bind(&path).unwrap();
        syslog.send(b"<1>one");
        assert_eq!(syslog.take_lost(), Some(1));
        drop(daemon);
        std::fs::remove_file(&path).unwrap();
        let daemon = UnixDatagram::bind(&path).unwrap();
        syslog.send(b"<1>two");
        let mut buffer = [0; 100];
        let length = daemon.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"<1>two");
        assert_eq!(syslog.take_lost(), None);
    }

    #[test]
    fn a_daemon_with_a_stream_socket_is_served_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let daemon = UnixListener::bind(&path).unwrap();
        let mut syslog = Syslog::at(&path);
        syslog.send(b"<1>one");
        let (mut stream, _) = daemon.accept().unwrap();
        drop(syslog);
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"<1>one\0");
    }
}
