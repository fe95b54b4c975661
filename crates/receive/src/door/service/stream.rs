//! A local stream whose owner is woken by what arrives and, while it has room, by nothing else.
//!
//! A local socket becomes writable whenever its peer reads. Whoever waits for that as well, as tokio's own streams do, is
//! woken once more for each message, for nothing.

use std::io::{self, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll, Waker};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The stream.
#[derive(Debug)]
pub struct Stream {
    /// Empty only after the event loop has refused it.
    fd: Option<AsyncFd<UnixStream>>,
    /// It was full once, and is waited for in both directions.
    is_slow: bool,
}

impl Stream {
    /// Takes over a connected stream.
    pub fn new(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let fd = waited_for(stream.into_std()?, Interest::READABLE)?;
        Ok(Self { fd: Some(fd), is_slow: false })
    }

    /// True if nothing is to be read, not even its end, as far as the event loop knows.
    pub fn is_silent(&self) -> bool {
        let Some(fd) = &self.fd else { return false };
        match fd.poll_read_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => true,
            Poll::Ready(Err(_)) => false,
            Poll::Ready(Ok(_)) => {
                let read = fd.get_ref().read(&mut [0u8; 1]);
                matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
        }
    }

    /// Reads something; 0 bytes at the end.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let fd = self.fd.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        loop {
            let mut ready = fd.readable().await?;
            if let Ok(read) = ready.try_io(|fd| fd.get_ref().read(buffer)) {
                if matches!(read, Ok(count) if count < buffer.len()) {
                    // There was no more: what comes next is told of.
                    ready.clear_ready();
                }
                return read;
            }
        }
    }

    /// Writes one after the other without putting them together first.
    pub async fn write(&mut self, head: &[u8], rest: &[u8]) -> io::Result<()> {
        let mut slices = [IoSlice::new(head), IoSlice::new(rest)];
        let mut left = slices.as_mut_slice();
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            let fd = self.fd.as_ref().ok_or(io::ErrorKind::NotConnected)?;
            let written = if self.is_slow {
                fd.writable().await?.try_io(|fd| fd.get_ref().write_vectored(left)).ok()
            } else {
                Some(fd.get_ref().write_vectored(left))
            };
            match written {
                None => {}
                Some(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Some(Ok(count)) => IoSlice::advance_slices(&mut left, count),
                Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock && !self.is_slow => {
                    let stream =
                        self.fd.take().map(AsyncFd::into_inner).ok_or(io::ErrorKind::NotConnected)?;
                    let both = Interest::READABLE | Interest::WRITABLE;
                    self.fd = Some(waited_for(stream, both)?);
                    self.is_slow = true;
                }
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

/// An owned socket keeps its number for as long as it lives, which is what the new, unsafe form asks for.
#[expect(deprecated)]
fn waited_for(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Stream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Stream::new(tokio::net::UnixStream::from_std(ours).unwrap()).unwrap(), theirs)
    }

    #[tokio::test]
    async fn what_does_not_fit_waits_for_its_reader_and_arrives_in_order() {
        let (mut stream, mut theirs) = pair();
        let sent: Vec<u8> = (0..4_000_000u32).map(|n| n.to_le_bytes()[1]).collect();
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).unwrap();
            all
        });
        let (head, rest) = sent.split_at(5);
        stream.write(head, rest).await.unwrap();
        stream.write(b"", b"end").await.unwrap();
        assert!(stream.is_slow);
        drop(stream);
        assert!(reader.join().unwrap() == [&sent[..], b"end"].concat());
    }

    #[tokio::test]
    async fn an_answer_is_read_and_the_end_is_noticed() {
        let (mut stream, mut theirs) = pair();
        assert!(stream.is_silent());
        stream.write(b"a", b"sk").await.unwrap();
        let mut asked = [0; 3];
        theirs.read_exact(&mut asked).unwrap();
        assert_eq!(&asked, b"ask");
        theirs.write_all(b"answer").unwrap();
        let mut buffer = [0; 32];
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 6);
        assert!(stream.is_silent());
        drop(theirs);
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
        assert!(!stream.is_silent());
        assert!(stream.write(b"x", b"").await.is_err());
    }
}
