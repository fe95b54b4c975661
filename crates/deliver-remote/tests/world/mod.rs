//! Servers, a home and a name server of the test's own, all on loopback and in the test's thread.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{Seek, Write};
use std::net::SocketAddr;
use std::rc::Rc;

use contracts::remote_worker::Transaction;
use deliver_remote::delivery::Deliverer;
use deliver_remote::pool::Pool;
use dns::Servers;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// What a server says to a line: connection (from 0), line; `None` closes the connection.
pub type Script = Rc<dyn Fn(usize, &str) -> Option<String>>;

pub struct Server {
    pub address: SocketAddr,
    /// Per connection, all lines.
    pub heard: Rc<RefCell<Vec<Vec<String>>>>,
    /// Most connections open at one time.
    pub most_open: Rc<Cell<usize>>,
}

/// A server that accepts everything and offers PIPELINING.
pub fn kind(_: usize, line: &str) -> Option<String> {
    let answer = match line.split(' ').next().unwrap_or("") {
        "" => "220 hi",
        "EHLO" => "250-me\r\n250 PIPELINING",
        "DATA" => "354 go",
        "QUIT" => "221 bye",
        _ => "250 ok",
    };
    Some(answer.into())
}

pub async fn server_at(address: &str, script: Script) -> Server {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard: Rc<RefCell<Vec<Vec<String>>>> = Rc::default();
    let (open, most_open): (Rc<Cell<usize>>, Rc<Cell<usize>>) = Default::default();
    let (log, most) = (Rc::clone(&heard), Rc::clone(&most_open));
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = log.borrow().len();
            log.borrow_mut().push(Vec::new());
            open.set(open.get() + 1);
            most.set(most.get().max(open.get()));
            let (log, script, open) = (Rc::clone(&log), Rc::clone(&script), Rc::clone(&open));
            tokio::task::spawn_local(async move {
                let (reader, mut writer) = stream.into_split();
                let mut lines = BufReader::new(reader).lines();
                let mut in_data = false;
                let mut line = String::new();
                loop {
                    if !in_data || line == "." {
                        let Some(answer) = script(number, &line) else { break };
                        in_data = line == "DATA" && answer.starts_with("354");
                        if writer.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                            break;
                        }
                    }
                    let Ok(Some(next)) = lines.next_line().await else { break };
                    log.borrow_mut()[number].push(next.clone());
                    line = next;
                }
                open.set(open.get() - 1);
            });
        }
    });
    Server { address, heard, most_open }
}

pub async fn server(script: impl Fn(usize, &str) -> Option<String> + 'static) -> Server {
    server_at("127.0.0.1:0", Rc::new(script)).await
}

pub struct Home(pub tempfile::TempDir);

impl Home {
    pub fn new(address: SocketAddr, more: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("control")).unwrap();
        std::fs::create_dir_all(home.path().join("queue/lock")).unwrap();
        let route = format!(":{}:{}\n", address.ip(), address.port());
        let route =
            if address.is_ipv6() { format!(":[{}]:{}\n", address.ip(), address.port()) } else { route };
        for (name, text) in [("me", "me.test\n"), ("smtproutes", route.as_str()), ("timeoutremote", "5\n")] {
            std::fs::write(home.path().join("control").join(name), text).unwrap();
        }
        for (name, text) in more {
            std::fs::write(home.path().join("control").join(name), text).unwrap();
        }
        Self(home)
    }

    pub fn deliverer(&self) -> Rc<Deliverer> {
        let nobody = Servers::At("127.0.0.1:9".parse().unwrap());
        Rc::new(Deliverer::asking(self.0.path(), Some(Pool::new()), nobody))
    }
}

pub fn message(text: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text).unwrap();
    file.rewind().unwrap();
    file
}

pub async fn deliver(deliverer: &Deliverer, recipients: &[&str]) -> String {
    let transaction = Transaction {
        host: b"dest.test".to_vec(),
        sender: b"s@x.test".to_vec(),
        recipients: recipients.iter().map(|one| one.as_bytes().to_vec()).collect(),
    };
    let delivered = deliverer.deliver(&transaction, message(b"Subject: x\n\n.dot\nlast")).await;
    String::from_utf8(delivered.output).unwrap()
}

pub async fn local<T>(work: impl Future<Output = T>) -> T {
    tokio::task::LocalSet::new().run_until(work).await
}

/// A name server for which every name has these IPv4 addresses.
pub async fn names(addresses: Vec<[u8; 4]>) -> Servers {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        let mut question = [0; 512];
        while let Ok((_, client)) = socket.recv_from(&mut question).await {
            let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
            let wants_a = question[end - 4..end - 2] == [0, 1];
            let answers = if wants_a { addresses.as_slice() } else { &[] };
            let mut reply = question[..2].to_vec();
            reply.extend([0x81, 0x80, 0, 1, 0, answers.len() as u8, 0, 0, 0, 0]);
            reply.extend_from_slice(&question[12..end]);
            for address in answers {
                reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                reply.extend(address);
            }
            let _ = socket.send_to(&reply, client).await;
        }
    });
    Servers::At(at)
}
