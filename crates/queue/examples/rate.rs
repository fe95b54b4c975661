//! How many messages a second come in durably, beside a bare loop that does the same to the same disk.
//!
//!     rate door HOME CLIENTS SECONDS     through the door of the installation HOME, whose service must be running
//!     rate keep HOME CLIENTS SECONDS     the same, each client on one connection, as qmail-smtpd does
//!     rate bare HOME CLIENTS SECONDS     the same file operations in a loop, without a queue
//!
//! Each client hands over one message of 1 KiB after the other. `bare` creates, writes, syncs and links two files a
//! message and syncs their directories, each client in its own directory of the same file system.

use contracts::{
    hand_off,
    queue_service::{REPLY_HEAD_BYTES, Reply, chunk_head},
};
use queue::door::Door;
use std::{
    cell::RefCell,
    error::Error,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::{fs::OpenOptionsExt, net::UnixStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

const MESSAGE: [u8; 1024] = [b'm'; 1024];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [form, home, clients, seconds] = arguments.as_slice() else {
        return Err("usage: rate door|keep|bare HOME CLIENTS SECONDS".into());
    };
    let (home, clients) = (PathBuf::from(home), clients.parse::<usize>()?);
    let time = Duration::from_secs(seconds.parse()?);
    let once: fn(&Path, usize, usize) -> io::Result<()> = match form.as_str() {
        "door" => by_door,
        "keep" => kept,
        "bare" => bare,
        _ => return Err("door, keep or bare".into()),
    };
    let begin = Instant::now();
    let threads: Vec<_> = (0..clients)
        .map(|client| {
            let home = home.clone();
            thread::spawn(move || -> io::Result<usize> {
                let mut count = 0;
                while begin.elapsed() < time {
                    once(&home, client, count)?;
                    count += 1;
                }
                Ok(count)
            })
        })
        .collect();
    let mut total = 0;
    for thread in threads {
        total += thread.join().map_err(|_| "a client panicked")??;
    }
    let rate = total as f64 / begin.elapsed().as_secs_f64();
    writeln!(io::stdout(), "{form:5} {clients:3} clients {total:7} messages {rate:9.1}/s")?;
    Ok(())
}

fn by_door(home: &Path, _client: usize, _count: usize) -> io::Result<()> {
    let mut hand_off = Door::new(home, None).open()?;
    hand_off.write(&MESSAGE);
    hand_off.sender(b"sender@example.org");
    hand_off.recipient(b"recipient@example.com");
    hand_off
        .finish()
        .map(drop)
        .map_err(|r| io::Error::other(String::from_utf8_lossy(r.result()).into_owned()))
}

thread_local! {
    static CONNECTION: RefCell<Option<UnixStream>> = const { RefCell::new(None) };
}

fn kept(home: &Path, _client: usize, _count: usize) -> io::Result<()> {
    CONNECTION.with_borrow_mut(|connection| {
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => UnixStream::connect(home.join("run/queue"))?,
        };
        let envelope = hand_off::encode(b"sender@example.org", [&b"recipient@example.com"[..]]);
        let chunk = |bytes: &[u8]| [&chunk_head(bytes.len()), bytes].concat();
        stream.write_all(&[chunk(&MESSAGE), chunk(b""), chunk(&envelope), chunk(b"")].concat())?;
        let mut head = [0; REPLY_HEAD_BYTES];
        stream.read_exact(&mut head)?;
        let (exit, _, _) = Reply::decode_head(head);
        *connection = Some(stream);
        if exit == 0 { Ok(()) } else { Err(io::Error::other(format!("exit {exit}"))) }
    })
}

fn bare(home: &Path, client: usize, count: usize) -> io::Result<()> {
    let directory = home.join(format!("bare/{}.{client}", std::process::id()));
    if count == 0 {
        fs::create_dir_all(&directory)?;
    }
    let write = |name: &str, bytes: &[u8]| -> io::Result<PathBuf> {
        let path = directory.join(format!("{name}.{count}"));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(path)
    };
    let message = write("pid", &MESSAGE)?;
    let envelope = write("intd", &[b'e'; 80])?;
    fs::hard_link(&message, directory.join(format!("mess.{count}")))?;
    File::open(&directory)?.sync_all()?;
    fs::hard_link(&envelope, directory.join(format!("todo.{count}")))?;
    File::open(&directory)?.sync_all()
}
