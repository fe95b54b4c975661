//! The warm form: many deliveries for one recipient in one process (contracts::local_worker).
//!
//! qmail-lspawn sends requests over a packet socket. Threads take turns at it: one waits for a request, leaves the
//! seat to another and carries it out, so that a slow program keeps no other delivery waiting. Answers go back in
//! any order. More than [`DELIVERIES_MAX`] requests at a time wait in the socket.
//!
//! A worker that has had nothing to do for a while leaves. It first shuts its receiving side: a request that was
//! sent just before is still carried out, and one that is sent later fails at the sender, who starts another
//! worker. So no request is ever lost between the two.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use contracts::local_worker::{Answer, CRASHED, Delivery, PACKET_MAX_BYTES, TEXT_MAX_BYTES, decode_request};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{Shutdown, shutdown};
use os::packet;

use crate::arguments;
use crate::delivery::{Means, Purpose, deliver};
use crate::exit;
use crate::failure::Failure;
use crate::output::{Captured, Output as _};

/// Deliveries at a time: as many as qmail-lspawn has slots, so that no slow delivery blocks another. Fewer where we
/// may not open files enough for so many.
pub const DELIVERIES_MAX: usize = contracts::spawn::SPAWN_SLOTS as usize;

/// Files that a delivery has open at a time, with some room.
const FILES_A_DELIVERY: u64 = 8;

/// How long a worker stays without work.
pub const IDLE: Duration = Duration::from_secs(10);

/// Threads that stay when there is less to do; making one anew takes longer than waking one.
const WAITING_MAX: usize = 32;

/// A delivery keeps its buffers elsewhere.
const STACK_BYTES: usize = 256 * 1024;

/// Serves requests from `socket` until its other end closes, or until it has been idle for `idle`.
///
/// All deliveries are done, and answered if anybody still listens, when this returns.
pub fn serve(socket: OwnedFd, means: &Means, idle: Duration) -> io::Result<()> {
    packet::send(socket.as_fd(), contracts::HELLO, None)?;
    let desk = Desk::new(socket, idle);
    thread::scope(|scope| desk.work(scope, means));
    let seat = desk.seat.into_inner().unwrap_or_else(PoisonError::into_inner);
    seat.error.map_or(Ok(()), Err)
}

/// One delivery to make.
struct Request {
    number: u32,
    delivery: Delivery,
    message: Option<OwnedFd>,
}

/// What the threads share.
struct Desk {
    socket: OwnedFd,
    idle: Duration,
    places: usize,
    seat: Mutex<Seat>,
    staff: Mutex<Staff>,
    /// Somebody has finished.
    finished: Condvar,
}

/// Belongs to the one thread that receives.
struct Seat {
    buffer: Vec<u8>,
    /// Our receiving side is shut: what is in the socket is all that there will be.
    leaving: bool,
    /// There will be no more requests.
    closed: bool,
    error: Option<io::Error>,
}

/// Who does what.
struct Staff {
    /// Threads at a delivery.
    busy: usize,
    /// Threads in the seat or waiting for it.
    waiting: usize,
    /// When the last delivery ended.
    idle_since: Instant,
}

impl Desk {
    fn new(socket: OwnedFd, idle: Duration) -> Self {
        let seat = Seat { buffer: vec![0; PACKET_MAX_BYTES], leaving: false, closed: false, error: None };
        let staff = Staff { busy: 0, waiting: 1, idle_since: Instant::now() };
        Self {
            socket,
            idle,
            places: places(),
            seat: Mutex::new(seat),
            staff: Mutex::new(staff),
            finished: Condvar::new(),
        }
    }

    /// A thread's life. The thread has been counted as waiting.
    fn work<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, means: &'scope Means) {
        while let Some(request) = self.take_turn() {
            if self.begin() {
                let successor = thread::Builder::new().stack_size(STACK_BYTES);
                if successor.spawn_scoped(scope, || self.work(scope, means)).is_err() {
                    // Until it can be had, deliveries go one after the other.
                    self.staff().waiting -= 1;
                }
            }
            self.carry_out(request, means);
            if !self.end() {
                return;
            }
        }
    }

    /// Waits for the seat, and in it for a request. `None`: there will be no more.
    fn take_turn(&self) -> Option<Request> {
        let mut seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner);
        if seat.closed {
            return None;
        }
        let request = self.receive(&mut seat).unwrap_or_else(|error| {
            seat.error = Some(error);
            None
        });
        seat.closed = request.is_none();
        request
    }

    fn receive(&self, seat: &mut Seat) -> io::Result<Option<Request>> {
        while !seat.leaving && !self.is_readable(self.patience())? {
            if self.patience().is_zero() {
                // From now on nothing is added to what is in the socket.
                shutdown(self.socket.as_raw_fd(), Shutdown::Read)?;
                seat.leaving = true;
            }
        }
        let received = packet::receive(self.socket.as_fd(), &mut seat.buffer)?;
        if received.length == 0 {
            return Ok(None);
        }
        let packet = seat.buffer.get(..received.length).unwrap_or_default();
        let request = decode_request(packet).ok().filter(|_| !received.truncated);
        let (number, delivery) = request.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some(Request { number, delivery, message: received.attached }))
    }

    /// How long to wait for a packet before looking again whether to leave. Waits for a free place first.
    fn patience(&self) -> Duration {
        let mut staff = self.staff();
        while staff.busy >= self.places {
            staff = self.finished.wait(staff).unwrap_or_else(PoisonError::into_inner);
        }
        if staff.busy > 0 { self.idle } else { self.idle.saturating_sub(staff.idle_since.elapsed()) }
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
        // When nobody listens any more, whoever asked has gone, and the delivery is made all the same.
        let _ = packet::send(self.socket.as_fd(), &Answer { number, exit, text }.encode(), None);
    }

    /// From waiting to busy. True if nobody is left waiting: then the caller's successor counts as doing so.
    fn begin(&self) -> bool {
        let mut staff = self.staff();
        staff.busy += 1;
        let alone = staff.waiting == 1;
        if !alone {
            staff.waiting -= 1;
        }
        alone
    }

    /// From busy to waiting, if there are not enough waiting already.
    fn end(&self) -> bool {
        let mut staff = self.staff();
        let was_full = staff.busy >= self.places;
        staff.busy -= 1;
        staff.idle_since = Instant::now();
        let needed = staff.waiting < WAITING_MAX;
        if needed {
            staff.waiting += 1;
        }
        drop(staff);
        if was_full {
            self.finished.notify_one();
        }
        needed
    }

    fn staff(&self) -> MutexGuard<'_, Staff> {
        self.staff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn places() -> usize {
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    usize::try_from(files / FILES_A_DELIVERY).unwrap_or(usize::MAX).clamp(1, DELIVERIES_MAX)
}

fn one(delivery: &Delivery, message: Option<OwnedFd>, means: &Means) -> (u8, Vec<u8>) {
    let mut output = Captured::new(TEXT_MAX_BYTES);
    let exit = match message.map(File::from) {
        _ if !delivery.home.starts_with(b"/") => {
            output.complain(arguments::USAGE);
            exit::PERMANENT
        }
        Some(message) => deliver(delivery, &message, Purpose::Deliver, means, &mut output),
        // We had no room for one more open file.
        None => {
            output.complain(&Failure::Rewind.text());
            Failure::Rewind.exit()
        }
    };
    (exit, output.finish((means.program_limit)()))
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
            syncs: mailbox::DirectorySyncs::default(),
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
        let desk = Desk::new(theirs, LONG);
        shutdown(desk.socket.as_raw_fd(), Shutdown::Read).unwrap();
        let late = packet::send(ours.as_fd(), &packet, Some(message(b"x").as_fd()));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        desk.seat.lock().unwrap().leaving = true;
        assert_eq!(desk.take_turn().map(|request| request.number), Some(1));
        assert!(desk.take_turn().is_none());
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

            let packet = encode_request(4, &delivery(Path::new("home/joe"), "./Mailbox"));
            packet::send(socket.as_fd(), &packet, Some(message(b"x").as_fd())).unwrap();
            let relative = answer(&socket).unwrap();
            assert_eq!((relative.exit, relative.text.as_slice()), (100, arguments::USAGE));
        })
        .unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
