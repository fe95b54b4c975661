//! Packets, with descriptors or without: sequenced-packet sockets, between a spawner and its workers and where others may
//! ask it something.

use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
    accept4, bind, recvmsg, sendmsg, socket, socketpair,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// A connected pair. Each packet arrives whole or not at all; end of file when the other end is closed.
/// Both ends are close-on-exec and blocking.
pub fn packet_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// A listening socket at `path`, not blocking. Whatever was there is replaced only once `arrange`, which gets the path of
/// the new socket, has set its owner and mode.
pub fn listen(path: &Path, arrange: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<OwnedFd> {
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let _ = std::fs::remove_file(&fresh);
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let listener = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    bind(listener.as_raw_fd(), &UnixAddr::new(&fresh)?)?;
    let listening = arrange(&fresh)
        .and_then(|()| Ok(nix::sys::socket::listen(&listener, Backlog::new(BACKLOG)?)?))
        .and_then(|()| std::fs::rename(&fresh, path));
    if let Err(error) = listening {
        let _ = std::fs::remove_file(&fresh);
        return Err(error);
    }
    Ok(listener)
}

/// The next connection, not blocking.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = accept4(listener.as_raw_fd(), flags)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A connection to whoever listens at `path`, not blocking. A listener without room is an error, and not waited for.
pub fn connect(path: &Path) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let connection = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    nix::sys::socket::connect(connection.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(connection)
}

/// Sends one packet, and a copy of `attached` with it. Never raises SIGPIPE. With a non-blocking socket,
/// `WouldBlock` means that nothing was sent.
pub fn send(socket: BorrowedFd<'_>, packet: &[u8], attached: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let fds = attached.map(|fd| [fd.as_raw_fd()]);
    let control: Vec<_> = fds.iter().map(|fds| ControlMessage::ScmRights(fds)).collect();
    loop {
        match sendmsg::<UnixAddr>(
            socket.as_raw_fd(),
            &[IoSlice::new(packet)],
            &control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        ) {
            Ok(n) if n == packet.len() => return Ok(()),
            Ok(_) => return Err(io::Error::from(io::ErrorKind::WriteZero)),
            Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// One packet, and the descriptor that came with it.
#[derive(Debug)]
pub struct Received {
    /// How many bytes of the buffer are the packet. 0: the other end is closed.
    pub length: usize,
    /// The first descriptor that came with it; further ones are closed.
    pub attached: Option<OwnedFd>,
    /// The packet was longer than the buffer; the rest is lost.
    pub truncated: bool,
}

/// Receives one packet into `buffer`. Descriptors are close-on-exec.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    // As many as one packet can carry (SCM_MAX_FD): what had no room here would stay open unseen.
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 253]);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = loop {
        match recvmsg::<UnixAddr>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        ) {
            Err(nix::Error::EINTR) => {}
            other => break other?,
        }
    };
    let mut descriptors = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            // SAFETY: the kernel has just made these descriptors for us; nobody else owns them.
            descriptors.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok(Received {
        length: message.bytes,
        attached: (!descriptors.is_empty()).then(|| descriptors.swap_remove(0)),
        truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
    })
}

/// Receives one packet of which only the bytes are wanted: descriptors that a peer attaches never become ours.
pub fn receive_bytes(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut slices = [IoSliceMut::new(buffer)];
    loop {
        match recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut slices, None, MsgFlags::empty()) {
            Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(message) => {
                let truncated = message.flags.contains(MsgFlags::MSG_TRUNC);
                return Ok(Received { length: message.bytes, attached: None, truncated });
            }
        }
    }
}

/// Makes a descriptor non-blocking, or blocking again. The flag belongs to the open file, not to the number:
/// everybody who shares it is affected.
pub fn set_nonblocking(fd: impl AsFd, on: bool) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
    let flags = if on { flags | OFlag::O_NONBLOCK } else { flags - OFlag::O_NONBLOCK };
    fcntl(&fd, FcntlArg::F_SETFL(flags))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};

    #[test]
    fn a_listener_takes_the_place_of_a_dead_one_and_of_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("door");
        assert!(connect(&path).is_err());
        drop(listen(&path, |_| Ok(())).unwrap());
        assert!(connect(&path).is_err());
        let listener = listen(&path, |_| Ok(())).unwrap();
        assert!(listen(&path, |_| Err(io::ErrorKind::PermissionDenied.into())).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(accept(listener.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let client = connect(&path).unwrap();
        let server = accept(listener.as_fd()).unwrap();
        send(client.as_fd(), b"one", None).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(receive_bytes(server.as_fd(), &mut buffer).unwrap().length, 3);
        assert_eq!(receive_bytes(server.as_fd(), &mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_packet_carries_a_descriptor() {
        let (a, b) = packet_pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"message").unwrap();
        file.rewind().unwrap();
        send(a.as_fd(), b"one", Some(file.as_fd())).unwrap();
        send(a.as_fd(), b"two", None).unwrap();
        drop(a);

        let mut buffer = [0; 16];
        let first = receive(b.as_fd(), &mut buffer).unwrap();
        assert_eq!((&buffer[..first.length], first.truncated), (&b"one"[..], false));
        let mut text = String::new();
        std::fs::File::from(first.attached.unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "message");

        let mut tiny = [0; 2];
        let second = receive(b.as_fd(), &mut tiny).unwrap();
        assert!(second.truncated && second.attached.is_none());
        assert_eq!(receive(b.as_fd(), &mut buffer).unwrap().length, 0);
    }

    #[test]
    fn a_peer_that_attaches_many_descriptors_leaves_none_of_them_open() {
        let (a, b) = packet_pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        // Only these name this file, so tests that run beside us do not count.
        let name = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
        let open = || {
            let fds = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
            fds.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|link| link == name)).count()
        };
        let fds = [file.as_raw_fd(); 100];
        let mut buffer = [0; 16];
        for _ in 0..2 {
            let control = [ControlMessage::ScmRights(&fds)];
            let bytes = [IoSlice::new(b"x")];
            sendmsg::<UnixAddr>(a.as_raw_fd(), &bytes, &control, MsgFlags::empty(), None).unwrap();
        }
        assert_eq!(receive_bytes(b.as_fd(), &mut buffer).unwrap().length, 1);
        assert_eq!(open(), 1);
        assert!(receive(b.as_fd(), &mut buffer).unwrap().attached.is_some());
        assert_eq!(open(), 1);
    }

    #[test]
    fn sending_to_nobody_is_an_error_and_no_signal() {
        let (a, b) = packet_pair().unwrap();
        drop(b);
        assert!(send(a.as_fd(), b"x", None).is_err());
    }
}
