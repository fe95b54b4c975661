//! The warm form: many deliveries for one recipient in one process (contracts::local_worker).
//!
//! qmail-lspawn sends requests over a packet socket. Threads wait in it, the kernel gives each request to one of them, and
//! that one carries it out; there is always another waiting, so that a slow program keeps no other delivery waiting.
//! Answers go back in any order. More than [`DELIVERIES_MAX`] requests at a time wait in the socket.
//!
//! A worker that has had nothing to do for a while leaves. It first shuts its receiving side: a request that was
//! sent just before is still carried out, and one that is sent later fails at the sender, who starts another
//! worker. So no request is ever lost between the two.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use contracts::local_worker::{
    Answer, CRASHED, Delivery, Errand, PACKET_MAX_BYTES, TEXT_MAX_BYTES, decode_request,
};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{Shutdown, setsockopt, shutdown, sockopt};
use nix::sys::time::TimeVal;
use os::packet;

use crate::arguments;
use crate::delivery::{Means, Purpose, Room, check, deliver};
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
    let desk = Desk::new(socket, idle)?;
    thread::scope(|scope| desk.work(scope, means));
    let error = desk.staff().error.take();
    error.map_or(Ok(()), Err)
}

/// One delivery to make, or to think about.
struct Request {
    number: u32,
    errand: Errand,
    delivery: Delivery,
    message: Option<OwnedFd>,
}

/// What the threads share.
struct Desk {
    socket: OwnedFd,
    idle: Duration,
    places: usize,
    staff: Mutex<Staff>,
}

/// Who does what.
struct Staff {
    /// Threads at a delivery.
    busy: usize,
    /// Threads in the socket, or on their way to it.
    waiting: usize,
    /// When the last delivery ended.
    idle_since: Instant,
    /// Why there will be no more requests, if that is not for the good.
    error: Option<io::Error>,
}

impl Desk {
    fn new(socket: OwnedFd, idle: Duration) -> io::Result<Self> {
        // Zero would be for ever.
        let patience = idle.max(Duration::from_millis(1));
        let seconds = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
        let patience = TimeVal::new(seconds, patience.subsec_micros().into());
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
        let staff = Staff { busy: 0, waiting: 1, idle_since: Instant::now(), error: None };
        Ok(Self { socket, idle, places: places(), staff: Mutex::new(staff) })
    }

    /// A thread's life. The thread has been counted as waiting.
    fn work<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, means: &'scope Means) {
        let mut buffer = vec![0; PACKET_MAX_BYTES];
        let mut room = Room::default();
        while let Some(request) = self.receive(&mut buffer) {
            if self.begin() {
                let successor = thread::Builder::new().stack_size(STACK_BYTES);
                if successor.spawn_scoped(scope, || self.work(scope, means)).is_err() {
                    // Until it can be had, deliveries go one after the other.
                    self.staff().waiting -= 1;
                }
            }
            self.carry_out(request, means, &mut room);
            if !self.end() {
                return;
            }
        }
    }

    /// Waits for a request. `None`: there will be no more.
    fn receive(&self, buffer: &mut [u8]) -> Option<Request> {
        loop {
            match self.try_receive(buffer) {
                Ok(request) => return request,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.has_been_idle() {
                        self.close();
                    }
                }
                Err(error) => {
                    self.staff().error = Some(error);
                    self.close();
                    return None;
                }
            }
        }
    }

    fn try_receive(&self, buffer: &mut [u8]) -> io::Result<Option<Request>> {
        let received = packet::receive(self.socket.as_fd(), buffer)?;
        if received.length == 0 || self.staff().error.is_some() {
            return Ok(None);
        }
        let packet = buffer.get(..received.length).unwrap_or_default();
        let request = decode_request(packet).ok().filter(|_| !received.truncated);
        let (number, errand, delivery) = request.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some(Request { number, errand, delivery, message: received.attached }))
    }

    fn has_been_idle(&self) -> bool {
        let staff = self.staff();
        staff.busy == 0 && staff.idle_since.elapsed() >= self.idle
    }

    /// From now on nothing is added to what is in the socket, and who finds nothing there does not wait.
    fn close(&self) {
        if let Err(error) = shutdown(self.socket.as_raw_fd(), Shutdown::Read) {
            self.staff().error.get_or_insert(error.into());
        }
    }

    fn carry_out(&self, request: Request, means: &Means, room: &mut Room) {
        let Request { number, errand, delivery, message } = request;
        let result = catch_unwind(AssertUnwindSafe(|| match errand {
            Errand::Deliver => one(&delivery, message, means, room),
            Errand::Check if !delivery.home.starts_with(b"/") => (exit::TEMPORARY, Vec::new()),
            Errand::Check => (check(&delivery, &means.homes), Vec::new()),
        }));
        // A bug is this delivery's misfortune, not that of all others.
        let (exit, text) = result.unwrap_or((CRASHED, Vec::new()));
        // When nobody listens any more, whoever asked has gone, and the delivery is made all the same.
        let _ = packet::send(self.socket.as_fd(), &Answer { number, exit, text }.encode(), None);
    }

    /// From waiting to busy. True if nobody is left waiting and there is a place: then the caller's successor counts
    /// as doing so.
    fn begin(&self) -> bool {
        let mut staff = self.staff();
        staff.busy += 1;
        staff.waiting -= 1;
        let needed = staff.waiting == 0 && staff.busy < self.places;
        if needed {
            staff.waiting += 1;
        }
        needed
    }

    /// From busy to waiting, if there are not enough waiting already.
    fn end(&self) -> bool {
        let mut staff = self.staff();
        staff.busy -= 1;
        staff.idle_since = Instant::now();
        let needed = staff.waiting < WAITING_MAX;
        if needed {
            staff.waiting += 1;
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

fn one(delivery: &Delivery, message: Option<OwnedFd>, means: &Means, room: &mut Room) -> (u8, Vec<u8>) {
    let mut output = Captured::new(TEXT_MAX_BYTES);
    let exit = match message.map(File::from) {
        _ if !delivery.home.starts_with(b"/") => {
            output.complain(arguments::USAGE);
            exit::PERMANENT
        }
        Some(message) => deliver(delivery, &message, Purpose::Deliver, means, room, &mut output),
        // We had no room for one more open file.
        None => {
            output.complain(&Failure::Rewind.text());
            Failure::Rewind.exit()
        }
    };
    (exit, output.finish(|| (means.program_limit)()))
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
            maildirs: Default::default(),
            homes: Default::default(),
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
    fn a_mailbox_is_looked_for_as_for_a_delivery_and_nothing_is_delivered() {
        use contracts::local_worker::encode_check;
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(".qmail-list-default"), "|touch ran").unwrap();
        let mode = |mode| fs::set_permissions(home.path(), fs::Permissions::from_mode(mode)).unwrap();
        with_worker(LONG, |socket| {
            let ask = |dash: &str, ext: &str, home: &Path| {
                let asked = Delivery { dash: dash.into(), ext: ext.into(), ..delivery(home, "./Mailbox") };
                packet::send(socket.as_fd(), &encode_check(5, &asked), None).unwrap();
                let answer = answer(&socket).unwrap();
                assert_eq!((answer.number, answer.text), (5, Vec::new()));
                answer.exit
            };
            assert_eq!(ask("", "", home.path()), 0);
            assert_eq!(ask("-", "list-x", home.path()), 0);
            assert_eq!(ask("-", "nobody", home.path()), 100);
            assert_eq!(ask("", "", Path::new("/nowhere/at/all")), 111);
            assert_eq!(ask("-", "nobody", Path::new("home")), 111);
            mode(0o1700);
            assert_eq!(ask("-", "nobody", home.path()), 111);
            mode(0o702);
            assert_eq!(ask("-", "nobody", home.path()), 111);
        })
        .unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

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
        let desk = Desk::new(theirs, LONG).unwrap();
        desk.close();
        let late = packet::send(ours.as_fd(), &packet, Some(message(b"x").as_fd()));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let mut buffer = vec![0; PACKET_MAX_BYTES];
        assert_eq!(desk.receive(&mut buffer).map(|request| request.number), Some(1));
        assert!(desk.receive(&mut buffer).is_none());
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
