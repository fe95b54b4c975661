//! Sessions over a stream, against a scripted queue service and scripted queue programs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test may.

use contracts::queue_service::{Chunk, REPLY_HEAD_BYTES, Reply, decode_chunk_head};
use receive::client::Client;
use receive::configuration::{Configuration, Form};
use receive::door::Door;
use receive::driver::{self, Outcome};
use receive::places::Service;
use receive::session::Session;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};

/// An installation with a name and nothing else.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for directory in ["control", "run", "bin"] {
        std::fs::create_dir(home.path().join(directory)).unwrap();
    }
    std::fs::write(home.path().join("control/me"), "mx.example\n").unwrap();
    home
}

/// A session under way on one end of a stream; the other end, and its outcome.
fn session(home: &Path, door: Arc<Door>) -> (DuplexStream, tokio::task::JoinHandle<Outcome>) {
    let policy = Configuration::load(home, Form::Classic, &mut |_| ()).unwrap().policy;
    let session = Session::new(Arc::new(policy), Client::from_environment(|_| None));
    let (client, mut server) = duplex(4096);
    let (_always, mut service) = watch::channel(Service::Open);
    let run = async move { driver::run(&mut server, session, &door, None, &mut service).await };
    (client, tokio::spawn(run))
}

async fn say(client: &mut DuplexStream, text: &str) {
    client.write_all(text.as_bytes()).await.unwrap();
}

/// Reads until `text` has arrived.
async fn hear(client: &mut DuplexStream, text: &str) {
    let mut heard = String::new();
    while !heard.contains(text) {
        let mut buffer = [0; 512];
        let n = client.read(&mut buffer).await.unwrap();
        assert_ne!(n, 0, "the server went away after {heard:?}");
        heard += &String::from_utf8_lossy(&buffer[..n]);
    }
}

const OPENED: &str = "HELO unknown\r\nMAIL FROM:<s@x>\r\nRCPT TO:<r@x>\r\nDATA\r\n";

/// One part of a hand-off, to its end; `None` if the client went away before.
async fn part(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await.ok()?;
        match decode_chunk_head(head).unwrap() {
            Chunk::End => return Some(bytes),
            Chunk::Bytes(length) => {
                let start = bytes.len();
                bytes.resize(start + length, 0);
                stream.read_exact(&mut bytes[start..]).await.ok()?;
            }
        }
    }
}

/// A queue service: what it was handed, `None` for each hand-off that broke off. `lives`: hand-offs a connection.
fn service(home: &Path, lives: usize, exit: u8) -> mpsc::UnboundedReceiver<Option<(Vec<u8>, Vec<u8>)>> {
    let listener = UnixListener::bind(home.join("run/queue")).unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            for _ in 0..lives {
                let mut hand_off = None;
                if let Some(message) = part(&mut stream).await {
                    hand_off = part(&mut stream).await.map(|envelope| (message, envelope));
                }
                let complete = hand_off.is_some();
                tell.send(hand_off).unwrap();
                if !complete {
                    break;
                }
                let reply = Reply { exit, qp: 4711, text: Vec::new() }.encode();
                assert!(reply.len() >= REPLY_HEAD_BYTES);
                stream.write_all(&reply).await.unwrap();
            }
        }
    });
    told
}

#[tokio::test]
async fn messages_go_to_the_service_over_one_connection_or_a_new_one() {
    let home = home();
    let mut handed_over = service(home.path(), 2, 0);
    let door = Arc::new(Door::new(home.path(), None));
    let (mut client, outcome) = session(home.path(), door);
    for _ in 0..5 {
        say(&mut client, &[OPENED, "Subject: x\r\n\r\nb\r\n.\r\n"].concat()).await;
        hear(&mut client, "qp 4711\r\n").await;
        let (message, envelope) = handed_over.recv().await.unwrap().unwrap();
        let message = String::from_utf8(message).unwrap();
        assert!(
            message.starts_with("Received: from unknown (unknown)\n  by unknown with SMTP; "),
            "{message}"
        );
        assert!(message.ends_with("\nSubject: x\n\nb\n"), "{message}");
        assert_eq!(envelope, b"Fs@x\0Tr@x\0\0");
    }
    say(&mut client, "QUIT\r\n").await;
    hear(&mut client, "221 mx.example\r\n").await;
    assert_eq!(outcome.await.unwrap(), Outcome::Quit);
}

#[tokio::test]
async fn a_large_message_streams_and_a_lost_client_leaves_nothing() {
    let home = home();
    let mut handed_over = service(home.path(), 9, 0);
    let door = Arc::new(Door::new(home.path(), None));
    let line = "0123456789abcdef\r\n".repeat(64);
    for complete in [true, false] {
        let (mut client, outcome) = session(home.path(), door.clone());
        say(&mut client, OPENED).await;
        for _ in 0..200 {
            say(&mut client, &line).await;
        }
        if complete {
            say(&mut client, ".\r\n").await;
            hear(&mut client, "qp 4711\r\n").await;
            let (message, _) = handed_over.recv().await.unwrap().unwrap();
            assert_eq!(message.split(|&b| b == b'\n').count(), 2 + 200 * 64 + 1);
        }
        drop(client);
        assert_eq!(outcome.await.unwrap(), Outcome::Broken);
    }
    assert_eq!(handed_over.recv().await.unwrap(), None);
}

#[tokio::test]
async fn a_message_that_is_refused_half_way_is_never_finished_at_the_door() {
    let home = home();
    std::fs::write(home.path().join("control/databytes"), "100000\n").unwrap();
    let mut handed_over = service(home.path(), 9, 0);
    let (mut client, _outcome) = session(home.path(), Arc::new(Door::new(home.path(), None)));
    say(&mut client, OPENED).await;
    for _ in 0..200 {
        say(&mut client, &"0123456789abcdef\r\n".repeat(64)).await;
    }
    say(&mut client, ".\r\n").await;
    hear(&mut client, "552 sorry, that message size exceeds my databytes limit (#5.3.4)\r\n").await;
    assert_eq!(handed_over.recv().await.unwrap(), None);
}

#[tokio::test]
async fn the_service_s_refusal_is_told() {
    let home = home();
    let _handed_over = service(home.path(), 9, 53);
    let (mut client, _outcome) = session(home.path(), Arc::new(Door::new(home.path(), None)));
    say(&mut client, &[OPENED, "b\r\n.\r\n"].concat()).await;
    hear(&mut client, "451 qq write error or disk full (#4.3.0)\r\n").await;
}

/// A queue program that does what the script says.
fn program(home: &Path, name: &str, script: &str) {
    let file = home.join(name);
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_program_in_the_queue_s_place_gets_message_and_envelope() {
    let home = home();
    program(home.path(), "bin/filter", "cat > got.message; cat <&1 > got.envelope; exit 0");
    let (mut client, _outcome) =
        session(home.path(), Arc::new(Door::new(home.path(), Some("bin/filter".into()))));
    say(&mut client, &[OPENED, "b\r\n.\r\n"].concat()).await;
    hear(&mut client, "250 ok ").await;
    assert!(std::fs::read(home.path().join("got.message")).unwrap().ends_with(b"\nb\n"));
    assert_eq!(std::fs::read(home.path().join("got.envelope")).unwrap(), b"Fs@x\0Tr@x\0\0");
}

#[tokio::test]
async fn programs_refuse_in_their_own_words_on_either_descriptor() {
    let home = home();
    let table = [
        ("echo 'Dno thanks (#5.7.1)' >&4; exit 82", "554 no thanks (#5.7.1)\r\n"),
        ("printf 'Zlater' >&6; exit 82", "451 later\r\n"),
        ("cat >/dev/null; head -c 300000 /dev/zero >&6; exit 82", "451 qq temporary problem (#4.3.0)\r\n"),
        ("exit 31", "554 mail server permanently rejected message (#5.3.0)\r\n"),
        ("kill -9 $$", "451 qq crashed (#4.3.0)\r\n"),
    ];
    for (script, expected) in table {
        program(home.path(), "bin/qmail-queue", script);
        let (mut client, _outcome) = session(home.path(), Arc::new(Door::new(home.path(), None)));
        say(&mut client, &[OPENED, "b\r\n.\r\n"].concat()).await;
        hear(&mut client, expected).await;
    }
    for missing in ["", "none", "/none/at/all"] {
        let (mut client, _outcome) =
            session(home.path(), Arc::new(Door::new(home.path(), Some(missing.into()))));
        say(&mut client, &[OPENED, "b\r\n.\r\n"].concat()).await;
        hear(&mut client, "451 unable to exec qq (#4.3.0)\r\n").await;
    }
}

#[tokio::test]
async fn a_program_may_talk_before_it_reads() {
    let home = home();
    program(
        home.path(),
        "bin/qmail-queue",
        "printf D >&6; head -c 300000 /dev/zero | tr '\\0' x >&6; cat >/dev/null; exit 82",
    );
    let (mut client, _outcome) = session(home.path(), Arc::new(Door::new(home.path(), None)));
    say(&mut client, &[OPENED, &"a line of the message\r\n".repeat(20_000), ".\r\n"].concat()).await;
    hear(&mut client, "554 xxxx").await;
}

#[tokio::test]
async fn a_lost_client_leaves_a_program_with_an_envelope_that_never_ends() {
    let home = home();
    let fifo = home.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    program(home.path(), "bin/qmail-queue", "cat >/dev/null; cat <&1 > fifo");
    let (mut client, outcome) = session(home.path(), Arc::new(Door::new(home.path(), None)));
    say(&mut client, &[OPENED, "b\r\n"].concat()).await;
    hear(&mut client, "354 go ahead\r\n").await;
    drop(client);
    assert_eq!(outcome.await.unwrap(), Outcome::Broken);
    let envelope = tokio::task::spawn_blocking(move || std::fs::read(fifo)).await.unwrap().unwrap();
    assert_eq!(envelope, b"");
}
