//! The warm form over its socket.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

use std::fs::File;
use std::os::fd::AsFd;
use std::time::Duration;

use contracts::HELLO;
use contracts::remote_worker::{Transaction, decode_answer, encode_request};
use os::packet;

fn transaction(recipient: &str) -> Transaction {
    // An address literal of our own needs neither network nor DNS.
    Transaction { host: b"127.0.0.1".to_vec(), sender: b"s@x".to_vec(), recipients: vec![recipient.into()] }
}

#[test]
fn a_worker_says_hello_answers_by_number_and_leaves_when_its_socket_is_closed() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("control")).unwrap();
    std::fs::write(home.path().join("control/me"), "me.test\n").unwrap();
    let (ours, theirs) = packet::packet_pair().unwrap();
    let path = home.path().to_path_buf();
    let worker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new()
            .block_on(&runtime, async { deliver_remote::worker::serve(&path, theirs).await })
    });
    nix::sys::socket::setsockopt(
        &ours,
        nix::sys::socket::sockopt::ReceiveTimeout,
        &nix::sys::time::TimeVal::new(20, 0),
    )
    .unwrap();
    let mut buffer = vec![0; 200_000];
    let hello = packet::receive(ours.as_fd(), &mut buffer).unwrap();
    assert_eq!(&buffer[..hello.length], HELLO);

    let message = File::open("/dev/null").unwrap();
    for number in [7, 8, 9] {
        packet::send(
            ours.as_fd(),
            &encode_request(number, &transaction("a@[127.0.0.1]")),
            Some(message.as_fd()),
        )
        .unwrap();
    }
    packet::send(ours.as_fd(), &encode_request(10, &transaction("a@b")), None).unwrap();
    let mut answers = Vec::new();
    for _ in 0..4 {
        let received = packet::receive(ours.as_fd(), &mut buffer).unwrap();
        let (number, output) = decode_answer(&buffer[..received.length]).unwrap();
        answers.push((number, String::from_utf8(output.to_vec()).unwrap()));
    }
    answers.sort();
    let own = "DSorry. Although I'm listed as a best-preference MX or A for that host,\nit isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n\0";
    let want = [(7, own), (8, own), (9, own), (10, "ZUnable to read message. (#4.3.0)\n\0")];
    assert_eq!(answers, want.map(|(number, text)| (number, text.to_string())));
    drop(ours);
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !worker.is_finished() && std::time::Instant::now() < end {
        std::thread::yield_now();
    }
    assert!(worker.is_finished());
    worker.join().unwrap().unwrap();
}
