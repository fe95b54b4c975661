//! The queue while nobody empties it, and whoever empties it next.

use super::arrival::letter;
use crate::Notes;
use crate::ground::Ground;
use nix::sys::signal::Signal;
use std::fs;

/// Hands an envelope to qmail-queue and notes its exit code.
pub fn queue(ground: &Ground, notes: &Notes, name: &str, envelope: &[u8], message: &str) {
    use std::io::Write;
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(envelope).unwrap();
    drop(writer);
    let mut command = ground.world.program("qmail-queue");
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(reader).spawn().expect("qmail-queue");
    let _ = child.stdin.take().expect("a pipe").write_all(message.as_bytes());
    notes.add(name, &format!("{:?}", child.wait().expect("it ends").code()));
}

pub fn unattended(ground: &mut Ground, notes: &Notes) {
    ground.world.own_all();
    for (name, envelope) in [
        ("whole", b"Fa@there.example\0Tjoe@here.example\0Tb@away.example\0\0".as_slice()),
        ("nobody", b"Fa@there.example\0\0"),
        ("no sender", b"F\0Tjoe@here.example\0\0"),
        ("wrong letter", b"Xa@there.example\0Tjoe@here.example\0\0"),
        ("cut short", b"Fa@there.example\0Tjoe@here"),
        ("nothing", b""),
    ] {
        queue(ground, notes, name, envelope, "Subject: queued\n\nHello.\n");
    }
    queue(ground, notes, "long address", &[b"Fa@b\0T".as_slice(), &[b'x'; 1100], b"\0\0"].concat(), "x\n");
    queue(
        ground,
        notes,
        "no line end",
        b"Fa@there.example\0Tjoe@here.example\0\0",
        "Subject: no line end\n\nHello.",
    );
    // What a refusal leaves behind is nobody's business.
    let todo = ground.world.home().join("queue/todo");
    let mut envelopes: Vec<String> = todo
        .read_dir()
        .unwrap()
        .filter_map(Result::ok)
        .map(|e| fs::read(e.path()).unwrap_or_default().escape_ascii().to_string())
        .collect();
    envelopes.sort();
    notes.add("todo", &envelopes.join("\n"));
    ground.note_run(notes, "qmail-qstat", &["qmail-qstat"], &[], "");
    ground.note_run(notes, "qmail-qread", &["qmail-qread"], &[], "");
    ground.start();
    ground.note_mail(notes, "joe", 3);
    notes.add("away", &ground.received());
    ground.world.log.wait_count("end msg", 4);
    ground.note_log(notes);
}

pub fn states(ground: &mut Ground, notes: &Notes) {
    ground.sink.answer("RCPT TO:<later", "451 not now");
    ground.sink.answer("RCPT TO:<never", "550 no such user");
    ground.write("joe", ".qmail-soft", "|exit 111\n", 0o600);
    ground.start();
    ground.send(
        "ann@here.example",
        &[
            "joe@here.example",
            "joe-soft@here.example",
            "later@away.example",
            "never@away.example",
            "now@away.example",
        ],
        &letter("state"),
    );
    ground.wait_calm("delivery ", 5);
    ground.note_queue(notes, "preprocessed, some done", 2);
    ground.note_run(notes, "qmail-qread", &["qmail-qread"], &[], "");
    ground.note_run(notes, "qmail-qstat", &["qmail-qstat"], &[], "");
    ground.stop();
    ground.note_queue(notes, "after a stop", 2);
    notes.add("last line", ground.world.log.lines().last().map_or("", String::as_str));
    // The next attempt is so many seconds after arrival, for each channel.
    let queue = ground.world.home().join("queue");
    let time = |directory: &str| {
        let file = ground.world.queue_files().into_iter().find(|f| f.starts_with(directory)).expect("a file");
        let time = queue.join(file).metadata().unwrap().modified().unwrap();
        time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    };
    for (channel, exact) in [("local", 100), ("remote", 400)] {
        // A start one or two seconds late is the next square.
        let seconds = time(channel) - time("info");
        let is_near = (exact..exact * 5 / 4).contains(&seconds);
        notes.add(&format!("next attempt, {channel}"), if is_near { "as ever" } else { "otherwise" });
    }
    ground.sink.relent();
    ground.write("joe", ".qmail-soft", "./Maildir/\n", 0o600);
    ground.start();
    ground.signal(Signal::SIGALRM);
    ground.wait_empty();
    ground.note_mail(notes, "joe", 2);
    ground.note_mail(notes, "ann", 1);
    let mut away: Vec<String> = ground.sink.waiting().into_iter().flat_map(|m| m.to).collect();
    away.sort();
    notes.add("away", &away.join("\n"));
}

pub fn signals(ground: &mut Ground, notes: &Notes) {
    ground.world.control("rcpthosts", "here.example\nnew.example\n");
    ground.start();
    ground.sink.answer("RCPT", "451 not now");
    ground.send("ann@here.example", &["b@away.example"], &letter("later"));
    ground.wait_calm("delivery ", 1);
    ground.world.control("locals", "here.example\nnew.example\n");
    ground.world.control("virtualdomains", "v.example:joe\n");
    ground.signal(Signal::SIGHUP);
    // It is looked at before the next message is: the signal was there first.
    ground.send("ann@here.example", &["joe@new.example"], &letter("new local"));
    ground.note_mail(notes, "joe", 1);
    ground.sink.relent();
    ground.signal(Signal::SIGALRM);
    notes.add("away", &ground.sink.receive().to.join(" "));
    ground.wait_empty();
    ground.stop();
    let lines = ground.world.log.lines();
    notes.add("last line", lines.last().map_or("", String::as_str));
    ground.note_log(notes);
}
