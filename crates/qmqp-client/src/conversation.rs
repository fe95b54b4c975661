//! One server, one message.

use crate::hand_over::HandOver;
use contracts::QueueExit;
use netstring::Answer;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a server may take to accept the connection.
pub const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long it may take over each read and write.
pub const TALK_TIME: Duration = Duration::from_secs(60);
/// The longest answer that is listened to.
const ANSWER_MAX_BYTES: u64 = 4096;

/// How it went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The server has everything and has answered, or will never.
    Answered(QueueExit),
    /// It cannot have accepted anything: another one may be asked.
    NotTaken(QueueExit),
}

/// Offers the message to `server`.
pub fn hold(server: SocketAddr, hand_over: &mut HandOver) -> Outcome {
    let stream = match TcpStream::connect_timeout(&server, CONNECT_TIME) {
        Ok(stream) => stream,
        Err(error) => return Outcome::NotTaken(unreachable(&error)),
    };
    if let Err(exit) = offer(&stream, hand_over) {
        return Outcome::NotTaken(exit);
    }
    // The last byte makes the message the server's. If it is already gone, it never gets it.
    if is_gone(&stream) {
        return Outcome::NotTaken(QueueExit::CommunicationFailed);
    }
    if (&stream).write_all(b",").is_err() {
        return Outcome::NotTaken(QueueExit::CommunicationFailed);
    }
    answer(&stream)
}

/// Sends everything but the last comma.
fn offer(stream: &TcpStream, hand_over: &mut HandOver) -> Result<(), QueueExit> {
    let broken = |_| QueueExit::CommunicationFailed;
    stream.set_read_timeout(Some(TALK_TIME)).map_err(broken)?;
    stream.set_write_timeout(Some(TALK_TIME)).map_err(broken)?;
    let length = hand_over.message_length();
    let head = format!("{length}:");
    let addresses = hand_over.addresses().to_vec();
    let beside =
        u64::try_from(head.len().saturating_add(1).saturating_add(addresses.len())).unwrap_or(u64::MAX);
    let mut out = BufWriter::with_capacity(64 << 10, stream);
    write!(out, "{}:{head}", length.saturating_add(beside)).map_err(broken)?;
    let mut message = hand_over.message().map_err(|_| QueueExit::ReadError)?;
    let (mut left, mut buffer) = (length, vec![0; 64 << 10]);
    while left > 0 {
        match message.read(&mut buffer) {
            // Shorter than it was: nothing may come of it.
            Ok(0) | Err(_) => return Err(QueueExit::ReadError),
            Ok(count) => {
                out.write_all(buffer.get(..count).unwrap_or_default()).map_err(broken)?;
                left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
            }
        }
    }
    out.write_all(b",").map_err(broken)?;
    out.write_all(&addresses).map_err(broken)?;
    out.flush().map_err(broken)
}

/// True if the server has already closed the connection, or has said something it cannot mean for us.
fn is_gone(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    let mut byte = [0];
    let gone = !matches!(stream.peek(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
    gone || stream.set_nonblocking(false).is_err()
}

/// The first letter that says something decides, wherever it stands, as with the original.
fn answer(stream: &TcpStream) -> Outcome {
    for byte in BufReader::new(stream.take(ANSWER_MAX_BYTES)).bytes() {
        match byte.map(Answer::from_letter) {
            Ok(Some(Answer::Accepted)) => return Outcome::Answered(QueueExit::Queued),
            Ok(Some(Answer::Deferred)) => return Outcome::Answered(QueueExit::ServerRefusedForNow),
            Ok(Some(Answer::Refused)) => return Outcome::Answered(QueueExit::Refused),
            Ok(None) => {}
            Err(error) if was_not_read(&error) => return Outcome::NotTaken(QueueExit::CommunicationFailed),
            Err(_) => return Outcome::Answered(QueueExit::CommunicationFailed),
        }
    }
    match stream.take_error() {
        Ok(Some(error)) if was_not_read(&error) => Outcome::NotTaken(QueueExit::CommunicationFailed),
        _ => Outcome::Answered(QueueExit::CommunicationFailed),
    }
}

/// A reset says that the server closed the connection before it had read everything: the last comma was not seen.
fn was_not_read(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

fn unreachable(error: &io::Error) -> QueueExit {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => QueueExit::ConnectionTimedOut,
        _ => QueueExit::ConnectionRefused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Seek;
    use std::net::TcpListener;

    fn hand_over() -> HandOver {
        let file = |bytes: &[u8]| -> File {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file.rewind().unwrap();
            file
        };
        HandOver::read(file(b"Subject: x\n\nb\n"), file(b"Fs@x\0Tr@y\0\0")).unwrap()
    }

    /// A server that reads `reads` bytes and says `says`; what it heard.
    fn ask(reads: usize, says: &'static [u8]) -> (Outcome, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = vec![0; reads];
            stream.read_exact(&mut heard).unwrap();
            stream.write_all(says).unwrap();
            heard
        });
        let outcome = hold(address, &mut hand_over());
        (outcome, server.join().unwrap())
    }

    #[test]
    fn the_first_letter_of_the_answer_decides() {
        let wire = b"30:14:Subject: x\n\nb\n,3:s@x,3:r@y,,";
        let table: &[(&[u8], QueueExit)] = &[
            (b"10:Kok 1 qp 2,", QueueExit::Queued),
            (b"6:Zlater,", QueueExit::ServerRefusedForNow),
            (b"2:DK,", QueueExit::Refused),
            (b"0:,", QueueExit::CommunicationFailed),
            (b"", QueueExit::CommunicationFailed),
        ];
        for (says, exit) in table {
            let (outcome, heard) = ask(wire.len(), says);
            assert_eq!((outcome, heard.as_slice()), (Outcome::Answered(*exit), &wire[..]));
        }
    }

    #[test]
    fn a_server_that_does_not_read_has_taken_nothing() {
        let (outcome, _) = ask(0, b"");
        assert_eq!(outcome, Outcome::NotTaken(QueueExit::CommunicationFailed));
    }

    #[test]
    fn nobody_there_means_that_another_may_be_asked() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = Outcome::NotTaken(QueueExit::ConnectionRefused);
        assert_eq!(hold(address, &mut hand_over()), refused);
    }
}
