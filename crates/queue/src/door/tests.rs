use super::*;
use crate::{Queue, caller::Roles, service::Service};
use std::{
    fs,
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    sync::Arc,
};

/// A private installation with an empty queue.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for name in ["pid", "mess/0", "mess/1", "intd", "todo", "info", "lock"] {
        fs::create_dir_all(home.path().join("queue").join(name)).unwrap();
    }
    for name in ["bin", "run", "alias"] {
        fs::create_dir_all(home.path().join(name)).unwrap();
    }
    home
}

/// Programs are written and started one test at a time: a child forked by another test while a script is open for
/// writing would make it unstartable for a moment.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A program in place of qmail-queue.
fn script(home: &Path, name: &str, body: &str) {
    let path = home.join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The service on `run/queue` for as long as this lives.
struct Running {
    lifeline: Option<UnixStream>,
    thread: Option<std::thread::JoinHandle<io::Result<()>>>,
}

impl Running {
    fn start(home: &Path) -> Self {
        Self::start_on(home, Queue::open(home).unwrap())
    }

    fn start_on(home: &Path, queue: Queue) -> Self {
        use std::os::fd::AsFd;
        let listener = UnixListener::bind(home.join("run/queue")).unwrap();
        let service = Service::new(queue, Roles::of(home).unwrap(), home);
        let (lifeline, end) = UnixStream::pair().unwrap();
        let service = Arc::clone(&service);
        let thread = std::thread::spawn(move || service.run(&listener, &[end.as_fd()]));
        Self { lifeline: Some(lifeline), thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lifeline = None;
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

fn send(door: &Door, message: &[u8], recipients: &[&[u8]]) -> Result<Accepted, Refused> {
    let mut hand_off = door.open().unwrap();
    hand_off.write(message);
    hand_off.sender(b"s@x");
    recipients.iter().for_each(|recipient| hand_off.recipient(recipient));
    hand_off.finish()
}

fn queued(home: &Path) -> usize {
    fs::read_dir(home.join("queue/todo")).unwrap().count()
}

fn litter(home: &Path) -> usize {
    ["mess/0", "mess/1", "pid", "intd"]
        .map(|d| fs::read_dir(home.join("queue").join(d)).unwrap().count())
        .iter()
        .sum()
}

#[test]
fn the_service_queues_what_a_reader_then_finds() {
    let home = home();
    let _running = Running::start(home.path());
    let message = vec![b'm'; 3 * BUFFER_BYTES + 17];
    let accepted = send(&Door::new(home.path(), None), &message, &[b"r@y", b"t@z"]).unwrap();
    let queue = Queue::open(home.path()).unwrap();
    let entry = queue.read_todo(crate::QueueId(accepted.qp)).unwrap();
    assert_eq!(entry.sender(), b"s@x");
    assert_eq!(entry.recipients().collect::<Vec<_>>(), [b"r@y", b"t@z"]);
    assert_eq!((entry.qp, entry.uid), (accepted.qp, u64::from(nix::unistd::getuid().as_raw())));
    let stored = fs::read(home.path().join("queue").join(queue.layout().message(entry.id))).unwrap();
    assert_eq!(entry.size_bytes, stored.len() as u64);
    let line = stored.iter().position(|&b| b == b'\n').unwrap();
    assert!(stored.starts_with(format!("Received: (qmail {} invoked by uid ", accepted.qp).as_bytes()));
    assert!(stored[line + 1..] == message[..]);
}

#[test]
fn a_disk_without_unnamed_files_keeps_the_same_promises() {
    let home = home();
    let disk = crate::real::RealDisk::at(&home.path().join("queue")).without_unnamed();
    let running = Running::start_on(home.path(), Queue::on(disk).unwrap());
    let door = Door::new(home.path(), None);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let door = door.clone();
            std::thread::spawn(move || {
                send(&door, b"m", &[b"r@y"]).unwrap();
                send(&door, b"m", &[&[b'r'; 1003]]).unwrap_err();
                drop(door.open().unwrap());
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    drop(running);
    assert_eq!((queued(home.path()), litter(home.path())), (8, 8));
}

#[test]
fn the_service_refuses_with_the_documented_words_and_takes_the_next() {
    let home = home();
    let _running = Running::start(home.path());
    let door = Door::new(home.path(), None);
    let refused = send(&door, b"m", &[&[b'r'; 1003]]).unwrap_err();
    assert!(refused.is_permanent());
    assert_eq!(refused.text(), b"envelope address too long for qq (#5.1.3)");
    assert_eq!((queued(home.path()), litter(home.path())), (0, 0));
    assert!(send(&door, b"", &[]).is_ok(), "no message and no recipients are fine");
}

#[test]
fn one_connection_carries_many_hand_offs_and_many_connections_one_queue() {
    use contracts::{
        hand_off,
        queue_service::{REPLY_HEAD_BYTES, Reply, chunk_head},
    };
    use std::io::{Read, Write};
    let home = home();
    let _running = Running::start(home.path());
    let one = |refused: bool| {
        let envelope = if refused { b"X".to_vec() } else { hand_off::encode(b"s@x", [&b"r@y"[..]]) };
        let chunk = |bytes: &[u8]| [&chunk_head(bytes.len()), bytes].concat();
        [chunk(b"one "), chunk(b"two"), chunk(b""), chunk(&envelope), chunk(b"")].concat()
    };
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (home, accepted, refused) = (home.path().to_path_buf(), one(false), one(true));
            std::thread::spawn(move || {
                let mut stream = UnixStream::connect(home.join("run/queue")).unwrap();
                // Two are sent before the first answer is read.
                for bytes in [&accepted, &refused, &accepted] {
                    stream.write_all(bytes).unwrap();
                }
                for want in [0, 91, 0] {
                    let mut head = [0; REPLY_HEAD_BYTES];
                    stream.read_exact(&mut head).unwrap();
                    let (exit, qp, length) = Reply::decode_head(head);
                    assert_eq!((exit, qp == 0, length), (want, want != 0, 0));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(queued(home.path()), 16);
    assert_eq!(litter(home.path()), 16, "a message each and nothing else");
}

#[test]
fn a_client_that_goes_away_has_queued_nothing() {
    let home = home();
    let running = Running::start(home.path());
    let door = Door::new(home.path(), None);
    for step in 0..4 {
        let mut hand_off = door.open().unwrap();
        if step > 0 {
            hand_off.write(&[b'm'; 2 * BUFFER_BYTES]);
        }
        if step > 1 {
            hand_off.sender(b"s@x");
        }
        if step > 2 {
            hand_off.recipient(b"r@y");
        }
        drop(hand_off);
    }
    let mut given_up = door.open().unwrap();
    given_up.sender(b"s@x");
    given_up.recipient(b"r@y\0Tsomebody@else");
    assert_eq!(given_up.finish().unwrap_err().result(), b"Zqq read error (#4.3.0)");
    drop(running);
    assert_eq!((queued(home.path()), litter(home.path())), (0, 0));
}

#[test]
fn a_program_sees_message_and_envelope_and_its_exit_code_is_put_into_words() {
    let _alone = alone();
    let home = home();
    script(
        home.path(),
        "bin/qmail-queue",
        "cat > message; cat <&1 > envelope; exit $(cat code 2>/dev/null || echo 0)",
    );
    let door = Door::new(home.path(), None);
    let accepted = send(&door, b"Subject: x\n\n", &[b"r@y"]).unwrap();
    assert!(accepted.qp > 0);
    assert_eq!(fs::read(home.path().join("message")).unwrap(), b"Subject: x\n\n");
    assert_eq!(fs::read(home.path().join("envelope")).unwrap(), b"Fs@x\0Tr@y\0\0");
    for (code, result) in [
        (31, &b"Dmail server permanently rejected message (#5.3.0)"[..]),
        (53, b"Zqq write error or disk full (#4.3.0)"),
        (77, b"Zqq temporary problem (#4.3.0)"),
    ] {
        fs::write(home.path().join("code"), code.to_string()).unwrap();
        let refused = send(&door, b"", &[b"r@y"]).unwrap_err();
        assert_eq!(refused.result(), result);
        assert_eq!(refused.is_permanent(), code == 31);
    }
}

#[test]
fn a_dropped_hand_off_gives_a_program_no_complete_envelope() {
    let _alone = alone();
    let home = home();
    script(home.path(), "bin/qmail-queue", "cat > message; cat <&1 > envelope");
    let mut hand_off = Door::new(home.path(), None).open().unwrap();
    hand_off.write(b"m");
    hand_off.sender(b"s@x");
    hand_off.recipient(b"r@y");
    drop(hand_off);
    assert!(!fs::read(home.path().join("envelope")).unwrap().ends_with(b"\0\0"));
}

#[test]
fn qmailqueue_names_a_program_relative_to_home_and_may_say_why_it_refuses() {
    let _alone = alone();
    let home = home();
    let _running = Running::start(home.path()); // Not asked, as QMAILQUEUE comes first.
    for (name, body, result) in [
        ("filter", "echo -n Dno spam here >&6; exit 82", &b"Dno spam here"[..]),
        ("bin/filter", "echo -n Zcome back >&4; exit 88", b"Zcome back"),
        ("short", "echo -n D >&6; exit 82", b"Zqq temporary problem (#4.3.0)"),
        ("killed", "kill -9 $$", b"Zqq crashed (#4.3.0)"),
        ("lingers", "sleep 3 & echo -n Dlingers >&6; exit 82", b"Dlingers"),
        (
            "named",
            "test \"$0\" = ./named && exit 31; exit 11",
            b"Dmail server permanently rejected message (#5.3.0)",
        ),
    ] {
        script(home.path(), name, body);
        let refused = send(&Door::new(home.path(), Some(name.into())), b"m", &[b"r@y"]).unwrap_err();
        assert_eq!(refused.result(), result, "{name}");
    }
    for missing in ["", "nonesuch", "sh", "/nonexistent/program"] {
        let refused = send(&Door::new(home.path(), Some(missing.into())), b"m", &[b"r@y"]).unwrap_err();
        assert_eq!(refused.result(), b"Zunable to exec qq (#4.3.0)", "{missing:?}");
    }
    assert_eq!(queued(home.path()), 0);
}

#[test]
fn a_program_may_say_more_than_a_pipe_holds_whenever_it_likes() {
    let _alone = alone();
    let home = home();
    let talk = "head -c 300000 /dev/zero | tr '\\0' x >&4";
    for (when, body) in [
        ("first", format!("printf D >&4; {talk}; cat >/dev/null; exit 82")),
        ("last", format!("cat >/dev/null; printf D >&4; {talk}; exit 82")),
    ] {
        script(home.path(), when, &body);
        let door = Door::new(home.path(), Some(when.into()));
        let refused = send(&door, &[b'm'; 300_000], &[b"r@y"]).unwrap_err();
        let kept = contracts::queue_exit::CUSTOM_TEXT_MAX_BYTES;
        assert_eq!((refused.text(), refused.is_permanent()), (&vec![b'x'; kept - 1][..], true), "{when}");
        drop(door.open().unwrap());
    }
}

#[test]
fn a_program_s_environment_names_one_more_descriptor_for_its_text() {
    let _alone = alone();
    let home = home();
    script(home.path(), "filter", "echo -n Zsomewhere else >&$ERROR_FD; exit 88");
    for number in ["7", "2", "4"] {
        let environment = [("ERROR_FD".into(), number.into()), ("PATH".into(), "/usr/bin:/bin".into())];
        let around = Surroundings { environment: Some(&environment), errors: None };
        let door = Door::new(home.path(), Some("filter".into()));
        let mut hand_off = door.open_with(&around).unwrap();
        hand_off.sender(b"s@x");
        assert_eq!(hand_off.finish().unwrap_err().result(), b"Zsomewhere else", "{number}");
    }
}

#[test]
fn a_service_that_dies_is_a_passing_failure() {
    let home = home();
    let listener = UnixListener::bind(home.path().join("run/queue")).unwrap();
    let dies = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let refused = send(&Door::new(home.path(), None), &[b'm'; 4 * BUFFER_BYTES], &[b"r@y"]).unwrap_err();
    assert_eq!(refused.result(), b"Zqq crashed (#4.3.0)");
    dies.join().unwrap();
}

#[test]
fn a_full_service_makes_room_by_closing_what_has_been_idle_longest() {
    use std::io::Read;
    let home = home();
    let _running = Running::start(home.path());
    let mut connections: Vec<_> = (0..crate::service::CONNECTIONS_MAX)
        .map(|_| UnixStream::connect(home.path().join("run/queue")).unwrap())
        .collect();
    // This one waits for an answer until the service, which is full, has had enough of an idle one.
    send(&Door::new(home.path(), None), b"m", &[b"r@y"]).unwrap();
    connections.iter().for_each(|c| c.set_nonblocking(true).unwrap());
    let closed = connections.iter_mut().filter_map(|c| c.read(&mut [0]).ok()).count();
    assert!((1..=3).contains(&closed), "{closed}");
}

#[test]
fn who_finds_no_place_at_the_service_goes_by_the_program() {
    let _alone = alone();
    let home = home();
    script(home.path(), "bin/qmail-queue", "exec 3<&1; cat > message; cat <&3 > envelope");
    let listener = UnixListener::bind(home.path().join("run/queue")).unwrap();
    let sizes = [10, 100_000, 300_000, 5_000_000];
    let service = std::thread::spawn(move || {
        for _ in sizes {
            let (mut stream, _) = listener.accept().unwrap();
            let reply = contracts::queue_service::Reply { exit: 71, qp: 0, text: Vec::new() };
            io::Write::write_all(&mut stream, &reply.encode()).unwrap();
        }
    });
    for size in sizes {
        let message: Vec<u8> = (0..size).map(|n: u32| n.to_le_bytes()[1]).collect();
        send(&Door::new(home.path(), None), &message, &[b"a@x", b"b@y"]).unwrap();
        assert!(fs::read(home.path().join("message")).unwrap() == message, "{size}");
        assert_eq!(fs::read(home.path().join("envelope")).unwrap(), b"Fs@x\0Ta@x\0Tb@y\0\0");
    }
    service.join().unwrap();
}
