//! Descriptors 0 and 1 as one stream: a socket under tcpserver and inetd, pipes under some wrappers, a file in
//! tests.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// One direction.
#[derive(Debug)]
enum Side {
    /// Waited for by the event loop. `was_blocking`: to be put back, since others may share the open file.
    Pollable { fd: AsyncFd<File>, was_blocking: bool },
    /// Regular files and the like are always ready.
    Ready(File),
}

/// Input from one descriptor, output to another.
#[derive(Debug)]
pub struct StandardStreams {
    input: Side,
    output: Side,
}

impl StandardStreams {
    /// Must be called inside a runtime.
    pub fn new(input: OwnedFd, output: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            input: Side::new(input, Interest::READABLE)?,
            output: Side::new(output, Interest::WRITABLE)?,
        })
    }
}

impl Side {
    fn new(fd: OwnedFd, interest: Interest) -> io::Result<Self> {
        let spare = fd.try_clone()?;
        // A file keeps its number for as long as it lives, which is what the new, unsafe form asks for.
        #[expect(deprecated)]
        let registered = AsyncFd::with_interest(File::from(fd), interest);
        match registered {
            Ok(fd) => {
                let was_blocking = os::stream::is_blocking(&fd)?;
                os::packet::set_nonblocking(&fd, true)?;
                Ok(Self::Pollable { fd, was_blocking })
            }
            // epoll says EPERM to what never blocks.
            Err(error) if error.raw_os_error() == Some(nix::libc::EPERM) => {
                Ok(Self::Ready(File::from(spare)))
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Self::Pollable { fd, was_blocking: true } = self {
            let _ = os::packet::set_nonblocking(fd.as_fd(), false);
        }
    }
}

impl AsyncRead for StandardStreams {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = match &self.get_mut().input {
            Side::Ready(file) => (&*file).read(buffer.initialize_unfilled())?,
            Side::Pollable { fd, .. } => loop {
                let mut ready = ready!(fd.poll_read_ready(context))?;
                if let Ok(read) = ready.try_io(|fd| fd.get_ref().read(buffer.initialize_unfilled())) {
                    break read?;
                }
            },
        };
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for StandardStreams {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &self.get_mut().output {
            Side::Ready(file) => Poll::Ready((&*file).write(bytes)),
            Side::Pollable { fd, .. } => loop {
                let mut ready = ready!(fd.poll_write_ready(context))?;
                if let Ok(written) = ready.try_io(|fd| fd.get_ref().write(bytes)) {
                    return Poll::Ready(written);
                }
            },
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more follows, where the descriptor is a socket; a pipe says so when we exit.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Side::Pollable { fd, .. } = &self.get_mut().output {
            os::stream::end_output(fd);
        }
        Poll::Ready(Ok(()))
    }
}
