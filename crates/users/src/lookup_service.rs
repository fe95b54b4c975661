//! The warm form of `qmail-getpw`: one local part a packet, one answer a packet, in order.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use contracts::lookup::{ANSWER_MAX_BYTES, encode_answer};

use crate::accounts::{LookupError, Machine, owner};

/// Says hello and answers until the other end is closed.
pub fn serve(socket: &OwnedFd, machine: &impl Machine) -> io::Result<()> {
    os::packet::send(socket.as_fd(), contracts::HELLO, None)?;
    let mut buffer = vec![0; ANSWER_MAX_BYTES];
    loop {
        let received = os::packet::receive(socket.as_fd(), &mut buffer)?;
        if received.length == 0 {
            return Ok(());
        }
        let local = buffer.get(..received.length).unwrap_or_default();
        let answer = match received.truncated {
            true => Err(TOO_LONG),
            false => owner(machine, local).map_err(|error: LookupError| error.exit_code()),
        };
        let answer = encode_answer(&answer);
        // An owner whose names are longer than any answer: nobody can be told.
        let answer = if answer.len() > ANSWER_MAX_BYTES { vec![TOO_LONG] } else { answer };
        os::packet::send(socket.as_fd(), &answer, None)?;
    }
}

/// The exit code for what cannot be asked or answered: temporary.
const TOO_LONG: u8 = 118;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Rootless;
    use contracts::lookup::decode_answer;

    #[test]
    fn it_says_hello_and_answers_in_order() {
        let (ours, theirs) = os::packet::packet_pair().unwrap();
        let machine = Rootless { home: "/q".into(), uid: 1000, gid: 100 };
        std::thread::scope(|scope| {
            let server = scope.spawn(|| {
                let theirs = theirs;
                serve(&theirs, &machine)
            });
            let mut buffer = [0; 1024];
            let mut hear = || {
                let received = os::packet::receive(ours.as_fd(), &mut buffer).unwrap();
                buffer[..received.length].to_vec()
            };
            assert_eq!(hear(), contracts::HELLO);
            for local in [&b"joe-x"[..], b"ann-y"] {
                os::packet::send(ours.as_fd(), local, None).unwrap();
            }
            assert_eq!(decode_answer(&hear()).unwrap().unwrap().ext, b"joe-x");
            assert_eq!(decode_answer(&hear()).unwrap().unwrap().ext, b"ann-y");
            drop(ours);
            server.join().unwrap().unwrap();
        });
    }
}
