//! A queue of ours holds only what the original can read.
//!
//!     client ──SMTP──> [ queue, in every state ] <── this test, file by file (contract 4.1 to 4.3)

use crate::letter;
use quail_tests::{Sink, World, deadline};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

/// Records of this form, each ended by NUL: a letter of these, then anything.
fn are_records(content: &[u8], letters: &[u8]) -> bool {
    let Some((0, records)) = content.split_last() else { return false };
    records.split(|&b| b == 0).all(|r| r.first().is_some_and(|l| letters.contains(l)))
}

/// Complains about a file that the original could not read, or would not leave so.
fn check(queue: &Path, file: &str) -> Result<(), String> {
    let path = queue.join(file);
    let parts: Vec<&str> = file.split('/').collect();
    let (directory, name) = (parts[0], *parts.last().expect("a name"));
    let content = std::fs::read(&path).map_err(|e| e.to_string())?;
    let metadata = path.metadata().map_err(|e| e.to_string())?;
    let number: u64 = name.parse().map_err(|_| "not a number".to_owned())?;
    if number.to_string() != name {
        return Err("a number with zeros in front".to_owned());
    }
    let is_hashed = ["mess", "info", "local", "remote"].contains(&directory);
    if is_hashed && (parts.len() != 3 || parts[1] != (number % 23).to_string())
        || !is_hashed && parts.len() != 2
    {
        return Err("in the wrong directory".to_owned());
    }
    let mode = metadata.mode() & 0o7777;
    let (right, wanted) = match directory {
        "mess" => (content.starts_with(b"Received: (qmail ") && metadata.ino() == number, 0o644),
        "todo" | "intd" => {
            let firsts: Vec<u8> = content.split(|&b| b == 0).filter_map(|r| r.first().copied()).collect();
            (
                are_records(&content, b"upFT")
                    && firsts.starts_with(b"upF")
                    && firsts[3..].iter().all(|&l| l == b'T'),
                0o644,
            )
        }
        "info" => (are_records(&content, b"F") && content.iter().filter(|&&b| b == 0).count() == 1, 0o600),
        "local" | "remote" => (are_records(&content, b"TD"), 0o600),
        "bounce" => (content.starts_with(b"<") && content.ends_with(b"\n\n"), 0o600),
        _ => (false, 0),
    };
    if !right {
        return Err(format!("not in the original's format: {:?}", String::from_utf8_lossy(&content)));
    }
    if mode != wanted { Err(format!("mode {mode:o}, not {wanted:o}")) } else { Ok(()) }
}

/// All files of the queue pass; gives the directories they are in.
fn check_all(world: &World) -> Vec<String> {
    let queue = world.home().join("queue");
    let files = world.queue_files();
    for file in &files {
        check(&queue, file).unwrap_or_else(|why| panic!("{file}: {why}"));
    }
    let mut directories: Vec<String> =
        files.iter().filter_map(|f| Some(f.split('/').next()?.to_owned())).collect();
    directories.dedup();
    directories
}

/// Waits until exactly these directories hold files.
fn wait_for(world: &World, wanted: &[&str]) {
    let is_so = |files: &[String]| {
        let holds = |d: &str| files.iter().any(|f| f.starts_with(&format!("{d}/")));
        ["mess", "intd", "todo", "info", "local", "remote", "bounce"]
            .iter()
            .all(|d| holds(d) == wanted.contains(d))
    };
    deadline(&format!("the queue has {wanted:?}"), || is_so(&world.queue_files()));
}

/// Recipients in channel files that are marked as done.
fn done(world: &World) -> usize {
    let files =
        world.queue_files().into_iter().filter(|f| f.starts_with("local/") || f.starts_with("remote/"));
    let text = files.filter_map(|f| std::fs::read(world.home().join("queue").join(f)).ok());
    text.map(|text| text.split(|&b| b == 0).filter(|record| record.starts_with(b"D")).count()).sum()
}

#[test]
fn a_message_before_its_first_attempt() {
    let mut world = World::rootless();
    world.own_all();
    let mut child = world
        .program("qmail-queue")
        .stdin(Stdio::piped())
        .stdout(Stdio::from(envelope()))
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("a pipe").write_all(b"Subject: x\n\nno line end").expect("it reads");
    assert!(child.wait().expect("it ends").success());
    assert!(["mess", "todo"].iter().all(|d| check_all(&world).iter().any(|have| have == d)));
    world.start();
    world.log.wait("end msg");
    world.wait_empty();
}

/// Descriptor 1 of qmail-queue: it reads the envelope from there.
fn envelope() -> std::io::PipeReader {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(b"Fa@there.example\0Tjoe@here.example\0\0").expect("it fits");
    reader
}

#[test]
fn messages_with_recipients_deferred_done_and_failed() {
    let sink = Sink::start();
    sink.answer("RCPT TO:<later", "450 later");
    sink.answer("RCPT TO:<never", "550 never");
    let mut world = World::rootless();
    world.control("smtproutes", &format!("away.example:{}\n", sink.route()));
    world.relay_for_all();
    world.dot_qmail("joe", "-later", "|exit 111\n");
    world.start();
    world.deliver("joe@here.example", &["later@away.example"], &letter("one deferred"));
    world.log.wait("deferral:");
    wait_for(&world, &["mess", "info", "remote"]);
    check_all(&world);
    world.deliver(
        "joe@here.example",
        &[
            "never@away.example",
            "later@away.example",
            "ok@away.example",
            "joe-later@here.example",
            "joe@here.example",
        ],
        &letter("some of each"),
    );
    world.log.wait_count("deferral:", 3);
    world.log.wait_count("success:", 2);
    world.log.wait("failure:");
    // The log comes first; a failure is in `bounce` before its recipient is marked.
    deadline("three recipients are marked", || done(&world) == 3);
    wait_for(&world, &["mess", "info", "local", "remote", "bounce"]);
    check_all(&world);
    // After a stop too, when the times of the next attempts are kept.
    world.stop();
    check_all(&world);
}
