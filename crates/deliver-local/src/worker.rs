//! The warm form: many deliveries for one recipient in one process (contracts::local_worker).
//!
//! qmail-lspawn sends requests over a packet socket; each is carried out by a thread of its own, so that a slow
//! program keeps no other delivery waiting, and answered when it is done, in any order. More than
//! [`DELIVERIES_MAX`] at a time wait in the socket.
//!
//! A worker that has had nothing to do for a while leaves. It first shuts its receiving side: a request that was
//! sent just before is still carried out, and one that is sent later fails at the sender, who starts another
//! worker. So no request is ever lost between the two.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use contracts::local_worker::{Answer, CRASHED, Delivery, PACKET_MAX_BYTES, TEXT_MAX_BYTES, decode_request};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Shutdown, shutdown};
use os::packet;

use crate::delivery::{Means, Purpose, deliver};
use crate::failure::Failure;
use crate::output::{Captured, Output as _};

/// Deliveries at a time: as many as qmail-lspawn has slots, so that no slow delivery blocks another.
pub const DELIVERIES_MAX: usize = contracts::spawn::SPAWN_SLOTS as usize;

/// How long a worker stays without work.
pub const IDLE: Duration = Duration::from_secs(10);

/// A delivery keeps its buffers elsewhere.
const STACK_BYTES: usize = 256 * 1024;

/// Serves requests from `socket` until its other end closes, or until it has been idle for `idle`.
///
/// All deliveries are done, and answered if anybody still listens, when this returns.
pub fn serve(socket: OwnedFd, means: &Means, idle: Duration) -> io::Result<()> {
    packet::send(socket.as_fd(), contracts::HELLO, None)?;
    let desk = Desk { socket, in_flight: Mutex::new(InFlight::default()), changed: Condvar::new() };
    thread::scope(|scope| {
        let mut buffer = vec![0; PACKET_MAX_BYTES];
        let mut leaving = false;
        while let Some(request) = desk.next(&mut buffer, idle, &mut leaving)? {
            desk.begin();
            let started = thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, || desk.carry_out(request, means));
            if let Err(error) = started {
                // The request went with the closure; its sender defers it when we are gone.
                desk.end();
                return Err(error);
            }
        }
        Ok(())
    })
}

/// One delivery to make.
struct Request {
    number: u32,
    delivery: Delivery,
    message: Option<OwnedFd>,
}

/// What the receiving thread and the delivering threads share.
struct Desk {
    socket: OwnedFd,
    in_flight: Mutex<InFlight>,
    changed: Condvar,
}

struct InFlight {
    count: usize,
    /// When it last became or was 0.
    idle_since: Instant,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { count: 0, idle_since: Instant::now() }
    }
}

impl Desk {
    /// The next request; `None` when there will be no more.
    fn next(&self, buffer: &mut [u8], idle: Duration, leaving: &mut bool) -> io::Result<Option<Request>> {
        while !*leaving && !self.is_readable(self.patience(idle))? {
            if self.patience(idle).is_zero() {
                // From now on nothing is added to what is in the socket.
                shutdown(self.socket.as_raw_fd(), Shutdown::Read)?;
                *leaving = true;
            }
        }
        let received = packet::receive(self.socket.as_fd(), buffer)?;
        if received.length == 0 {
            return Ok(None);
        }
        let packet = buffer.get(..received.length).unwrap_or_default();
        let request = decode_request(packet).ok().filter(|_| !received.truncated);
        let (number, delivery) = request.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some(Request { number, delivery, message: received.attached }))
    }

    /// How long to wait for a packet before looking again whether to leave. Waits for a free place first.
    fn patience(&self, idle: Duration) -> Duration {
        let mut in_flight = self.lock();
        while in_flight.count >= DELIVERIES_MAX {
            in_flight = self.changed.wait(in_flight).unwrap_or_else(PoisonError::into_inner);
        }
        if in_flight.count > 0 { idle } else { idle.saturating_sub(in_flight.idle_since.elapsed()) }
    }

    fn is_readable(&self, timeout: Duration) -> io::Result<bool> {
        // Rounded up: a wait that is too short would be repeated at once.
        let timeout = PollTimeout::try_from(timeout.saturating_add(Duration::from_millis(1)));
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout.unwrap_or(PollTimeout::MAX)) {
            Err(nix::Error::EINTR) => Ok(false),
            ready => Ok(ready? > 0),
        }
    }

    fn carry_out(&self, request: Request, means: &Means) {
        let Request { number, delivery, message } = request;
        let result = catch_unwind(AssertUnwindSafe(|| one(&delivery, message, means)));
        // A bug is this delivery's misfortune, not that of all others.
        let (exit, text) = result.unwrap_or((CRASHED, Vec::new()));
        // Nobody listens any more: whoever asked has gone, and the delivery is made.
        let _ = packet::send(self.socket(), &Answer { number, exit, text }.encode(), None);
        self.end();
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn begin(&self) {
        let mut in_flight = self.lock();
        in_flight.count = in_flight.count.saturating_add(1);
    }

    fn end(&self) {
        let mut in_flight = self.lock();
        in_flight.count = in_flight.count.saturating_sub(1);
        in_flight.idle_since = Instant::now();
        drop(in_flight);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, InFlight> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn one(delivery: &Delivery, message: Option<OwnedFd>, means: &Means) -> (u8, Vec<u8>) {
    let mut output = Captured::new(TEXT_MAX_BYTES);
    let exit = match message.map(File::from) {
        Some(message) => deliver(delivery, &message, Purpose::Deliver, means, &mut output),
        // We had no room for one more open file.
        None => {
            output.complain(&Failure::Rewind.text());
            Failure::Rewind.exit()
        }
    };
    (exit, output.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::local_worker::encode_request;
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    fn message(text: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file
    }

    fn delivery(home: &Path, instructions: &str) -> Delivery {
        Delivery {
            user: b"joe".to_vec(),
            home: home.as_os_str().as_bytes().to_vec(),
            local: b"joe".to_vec(),
            domain: b"host.example".to_vec(),
            sender: b"s@x".to_vec(),
            default_delivery: instructions.into(),
            ..Delivery::default()
        }
    }

    fn answer(socket: &OwnedFd) -> Option<Answer> {
        let mut buffer = vec![0; PACKET_MAX_BYTES];
        let received = packet::receive(socket.as_fd(), &mut buffer).unwrap();
        (received.length > 0).then(|| Answer::decode(&buffer[..received.length]).unwrap())
    }

    /// Runs a worker in a thread while `client` talks to it, and returns how it ended.
    fn with_worker(idle: Duration, client: impl FnOnce(OwnedFd)) -> io::Result<()> {
        let (ours, theirs) = packet::packet_pair().unwrap();
        let home = tempfile::tempdir().unwrap();
        let means = Means {
            inherited: vec![("PATH".into(), "/usr/bin:/bin".into())],
            door: queue::door::Door::new(home.path(), None),
            program_limit: Box::new(|| None),
        };
        thread::scope(|scope| {
            let worker = scope.spawn(|| serve(theirs, &means, idle));
            let mut buffer = [0; 100];
            let hello = packet::receive(ours.as_fd(), &mut buffer).unwrap();
            assert_eq!(&buffer[..hello.length], contracts::HELLO);
            client(ours);
            worker.join().unwrap()
        })
    }

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn a_slow_program_keeps_nobody_waiting() {
        let home = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&home.path().join("gate"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        with_worker(LONG, |socket| {
            let send = |number, instructions| {
                let packet = encode_request(number, &delivery(home.path(), instructions));
                packet::send(socket.as_fd(), &packet, Some(message(b"x").as_fd())).unwrap();
            };
            for number in 0..50 {
                send(number, "|read line <gate; echo slow");
            }
            send(99, "./Mailbox");
            let first = answer(&socket).unwrap();
            assert_eq!((first.number, first.exit, first.text), (99, 0, b"did 1+0+0\n".to_vec()));

            let mut gate = File::options().read(true).write(true).open(home.path().join("gate")).unwrap();
            gate.write_all(&b"go\n".repeat(200)).unwrap();
            for _ in 0..50 {
                let slow = answer(&socket).unwrap();
                assert_eq!((slow.exit, slow.text), (0, b"slow\ndid 0+0+1\n".to_vec()));
            }
        })
        .unwrap();
    }

    #[test]
    fn an_answer_carries_the_words_of_programs_and_failures() {
        let home = tempfile::tempdir().unwrap();
        with_worker(LONG, |socket| {
            for (instructions, exit, text) in [
                ("|cat\n|echo no >&2; exit 100", 100, "bodyno\n"),
                ("./none/", 111, "Unable to chdir to maildir. (#4.2.1)\n"),
                ("|echo a; kill -9 $$", 111, "a\nAack, child crashed. (#4.3.0)\n"),
                ("|echo \"$SENDER $DEFAULT $LOCAL\"; pwd", 0, ""),
                ("a@b", 111, "Unable to forward message: unable to exec qq (#4.3.0).\n"),
            ] {
                let packet = encode_request(7, &delivery(home.path(), instructions));
                packet::send(socket.as_fd(), &packet, Some(message(b"body").as_fd())).unwrap();
                let answer = answer(&socket).unwrap();
                let expected = match text {
                    "" => format!("s@x  joe\n{}\ndid 0+0+1\n", home.path().display()),
                    _ => text.to_string(),
                };
                assert_eq!((answer.exit, String::from_utf8(answer.text).unwrap()), (exit, expected));
            }
        })
        .unwrap();
    }

    #[test]
    fn a_flood_of_words_is_cut() {
        let home = tempfile::tempdir().unwrap();
        with_worker(LONG, |socket| {
            let packet = encode_request(7, &delivery(home.path(), "|yes | head -c 1000000"));
            packet::send(socket.as_fd(), &packet, Some(message(b"").as_fd())).unwrap();
            let answer = answer(&socket).unwrap();
            assert_eq!((answer.exit, answer.text.len()), (0, TEXT_MAX_BYTES));
        })
        .unwrap();
    }

    #[test]
    fn an_idle_worker_leaves_and_loses_nothing() {
        with_worker(Duration::ZERO, |socket| assert!(answer(&socket).is_none())).unwrap();

        // A request that is in the socket when the worker decides to leave is still carried out.
        let home = tempfile::tempdir().unwrap();
        let (ours, theirs) = packet::packet_pair().unwrap();
        let packet = encode_request(1, &delivery(home.path(), "./Mailbox"));
        packet::send(ours.as_fd(), &packet, Some(message(b"x").as_fd())).unwrap();
        let desk = Desk { socket: theirs, in_flight: Mutex::default(), changed: Condvar::new() };
        shutdown(desk.socket.as_raw_fd(), Shutdown::Read).unwrap();
        let late = packet::send(ours.as_fd(), &packet, Some(message(b"x").as_fd()));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let mut buffer = vec![0; PACKET_MAX_BYTES];
        let mut leaving = true;
        assert_eq!(desk.next(&mut buffer, LONG, &mut leaving).unwrap().map(|r| r.number), Some(1));
        assert!(desk.next(&mut buffer, LONG, &mut leaving).unwrap().is_none());
    }

    #[test]
    fn nonsense_ends_the_worker_and_a_missing_message_only_its_delivery() {
        let result = with_worker(LONG, |socket| packet::send(socket.as_fd(), b"nonsense", None).unwrap());
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidData);

        let home = tempfile::tempdir().unwrap();
        with_worker(LONG, |socket| {
            let packet = encode_request(3, &delivery(home.path(), "./Mailbox"));
            packet::send(socket.as_fd(), &packet, None).unwrap();
            assert_eq!(answer(&socket).unwrap().exit, 111);
        })
        .unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
