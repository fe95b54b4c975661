//! Messages a second through one warm `qmail-remote`, to a sink on loopback.
//!
//! `relay PROGRAM [MESSAGES] [IN-FLIGHT] [once]`: with `once` the sink closes each connection after one message, so
//! that none is used again. Prints the rate and the worker's CPU time a message.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]

use std::io::Write;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::time::Instant;

use contracts::remote_worker::{PACKET_MAX_BYTES, Transaction, decode_answer, encode_request};
use os::packet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (messages, in_flight): (u32, u32) = (number(1, 20_000), number(2, 20));
    let once = arguments.get(3).is_some_and(|word| word == "once");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(sink(stream, once));
            }
        });
    });

    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join("control")).unwrap();
    std::fs::write(home.path().join("control/me"), "bench.test\n").unwrap();
    std::fs::write(home.path().join("control/smtproutes"), format!(":{address}\n")).unwrap();
    let path = home.path().join("message");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(
        format!("Subject: bench\n\n{}", "0123456789abcdef0123456789abcdef\n".repeat(30)).as_bytes(),
    )
    .unwrap();

    let (ours, theirs) = packet::packet_pair().unwrap();
    let mut command = std::process::Command::new(&arguments[0]);
    command.arg("--worker").env("QUAIL_HOME", home.path()).stdin(Stdio::from(theirs));
    let mut worker = command.spawn().unwrap();
    drop(command); // It holds the worker's end of the socket.
    let mut buffer = vec![0; PACKET_MAX_BYTES];
    packet::receive(ours.as_fd(), &mut buffer).unwrap();

    let ask = |number: u32| {
        let transaction = Transaction {
            host: b"sink.test".to_vec(),
            sender: b"sender@bench.test".to_vec(),
            recipients: vec![format!("user{number}@sink.test").into_bytes()],
        };
        let message = std::fs::File::open(&path).unwrap();
        packet::send(ours.as_fd(), &encode_request(number, &transaction), Some(message.as_fd())).unwrap();
    };
    let begin = Instant::now();
    let (mut asked, mut answered, mut delivered) = (0, 0, 0);
    while answered < messages {
        while asked < messages && asked - answered < in_flight {
            ask(asked);
            asked += 1;
        }
        let received = packet::receive(ours.as_fd(), &mut buffer).unwrap();
        let (_, output) = decode_answer(&buffer[..received.length]).unwrap();
        answered += 1;
        delivered += u32::from(output.starts_with(b"r\0K"));
    }
    let seconds = begin.elapsed().as_secs_f64();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", worker.id())).unwrap();
    let ticks: u64 =
        stat.rsplit(')').next().unwrap().split(' ').skip(12).take(2).map(|n| n.parse::<u64>().unwrap()).sum();
    println!(
        "{delivered} of {messages} delivered, {in_flight} in flight, {}: {:.0} messages/s, {:.0} us CPU of the worker a message",
        if once { "a connection each" } else { "connections reused" },
        f64::from(messages) / seconds,
        ticks as f64 * 10_000.0 / f64::from(messages),
    );
    drop(ours);
    worker.wait().unwrap();
}

async fn sink(mut stream: TcpStream, once: bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 sink\r\n").await?;
    let mut input = Vec::new();
    let mut in_data = false;
    loop {
        let mut piece = [0; 16 * 1024];
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        input.extend_from_slice(&piece[..count]);
        let mut answers = Vec::new();
        loop {
            let end: &[u8] = if in_data { b"\r\n.\r\n" } else { b"\r\n" };
            let Some(at) = memchr::memmem::find(&input, end) else { break };
            let line: Vec<u8> = input.drain(..at + end.len()).collect();
            let answer: &[u8] = match line.get(..4).filter(|_| !in_data) {
                None => b"250 taken\r\n",
                Some(b"EHLO") => b"250-sink\r\n250 PIPELINING\r\n",
                Some(b"DATA") => b"354 go\r\n",
                Some(b"QUIT") => b"221 bye\r\n",
                Some(_) => b"250 ok\r\n",
            };
            answers.extend_from_slice(answer);
            let taken = in_data;
            in_data = line.starts_with(b"DATA") && !in_data;
            if taken && once {
                stream.write_all(&answers).await?;
                return Ok(());
            }
        }
        stream.write_all(&answers).await?;
    }
}
