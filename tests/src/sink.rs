//! An SMTP server that swallows everything, or answers as the test says.

use crate::place::PATIENCE;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// A message as it came, with its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Envelope sender.
    pub from: String,
    /// Recipients that were accepted, in order.
    pub to: Vec<String>,
    /// The text as it was on the wire, without the last dot.
    pub body: Vec<u8>,
}

/// A server on a free loopback port.
#[derive(Debug)]
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    messages: Receiver<Received>,
    replies: Arc<Mutex<HashMap<String, String>>>,
}

impl Sink {
    /// Listens on a port of its own.
    pub fn start() -> Self {
        Self::on("127.0.0.1".parse().unwrap(), 0)
    }

    /// Listens there.
    pub fn on(ip: IpAddr, port: u16) -> Self {
        let listener = TcpListener::bind((ip, port)).expect("a free port");
        let address = listener.local_addr().unwrap();
        let (sender, messages) = channel();
        let replies = Arc::new(Mutex::new(HashMap::new()));
        let known = replies.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sender, known) = (sender.clone(), known.clone());
                // A client that goes away in the middle is the client's affair.
                std::thread::spawn(move || Session { stream: BufReader::new(stream), known }.serve(&sender));
            }
        });
        Self { address, messages, replies }
    }

    /// From now on this is the answer to the command that begins so (`RCPT TO:<x@y>`, `DATA`, `BODY` for the end of data,
    /// `GREETING`). The longest beginning counts.
    pub fn answer(&self, command: &str, reply: &str) {
        self.replies.lock().unwrap().insert(command.to_owned(), reply.to_owned());
    }

    /// Back to friendly answers.
    pub fn relent(&self) {
        self.replies.lock().unwrap().clear();
    }

    /// The next message.
    #[track_caller]
    pub fn receive(&self) -> Received {
        self.messages.recv_timeout(PATIENCE).expect("a message")
    }

    /// What has arrived and was not asked for yet.
    pub fn waiting(&self) -> Vec<Received> {
        self.messages.try_iter().collect()
    }

    /// `HOST:PORT` as smtproutes wants it.
    pub fn route(&self) -> String {
        format!("{}:{}", self.address.ip(), self.address.port())
    }
}

struct Session {
    stream: BufReader<TcpStream>,
    known: Arc<Mutex<HashMap<String, String>>>,
}

impl Session {
    fn serve(mut self, sender: &Sender<Received>) -> Option<()> {
        self.reply("GREETING", "220 sink.example ESMTP")?;
        let mut message = Received { from: String::new(), to: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line()?;
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    self.reply(&line, "250-sink.example\r\n250-PIPELINING\r\n250 8BITMIME")?;
                }
                "MAIL" => {
                    message = Received { from: path(&line), to: Vec::new(), body: Vec::new() };
                    self.reply(&line, "250 ok")?;
                }
                "RCPT" => {
                    if self.reply(&line, "250 ok")? {
                        message.to.push(path(&line));
                    }
                }
                "DATA" => {
                    if self.reply(&line, "354 go ahead")? {
                        message.body = self.data()?;
                        if self.reply("BODY", "250 accepted")? {
                            let _ = sender.send(message.clone());
                        }
                    }
                }
                "QUIT" => {
                    self.reply(&line, "221 bye")?;
                    return None;
                }
                _ => {
                    self.reply(&line, "250 ok")?;
                }
            }
        }
    }

    /// Answers; `Some(true)` when the answer was friendly.
    fn reply(&mut self, command: &str, usual: &str) -> Option<bool> {
        let known = self.known.lock().unwrap().clone();
        let chosen = known
            .iter()
            .filter(|(start, _)| command.starts_with(*start))
            .max_by_key(|(start, _)| start.len());
        let text = chosen.map_or(usual, |(_, reply)| reply.as_str());
        if text == "close" {
            return None;
        }
        self.stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).ok()?;
        Some(text.starts_with(['2', '3']))
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        (self.stream.read_until(b'\n', &mut line).ok()? > 0).then_some(())?;
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn data(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let start = body.len();
            (self.stream.read_until(b'\n', &mut body).ok()? > 0).then_some(())?;
            if &body[start..] == b".\r\n" {
                body.truncate(start);
                return Some(body);
            }
        }
    }
}

/// What stands between the angle brackets.
fn path(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map(|(path, _)| path.to_owned()).unwrap_or_default()
}
