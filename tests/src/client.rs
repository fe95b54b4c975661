//! An SMTP client that does as it is told.

use crate::place::PATIENCE;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

/// One session.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects and hears the greeting, which must be friendly.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("a listener");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self { stream: BufReader::new(stream) };
        let greeting = client.hear();
        assert!(greeting.starts_with("220"), "{greeting}");
        client
    }

    /// One whole reply.
    #[track_caller]
    pub fn hear(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            let got = self.stream.read_line(&mut reply).expect("a reply in time");
            assert!(got > 0, "the server closed the connection after {reply:?}");
            if reply.as_bytes().get(start + 3) != Some(&b'-') {
                return reply;
            }
        }
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("the server listens");
    }

    /// One command and its reply.
    #[track_caller]
    pub fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.hear()
    }

    /// One command whose reply must begin so.
    #[track_caller]
    pub fn say_well(&mut self, line: &str, wanted: &str) -> String {
        let reply = self.say(line);
        assert!(reply.starts_with(wanted), "{line} -> {reply}");
        reply
    }

    /// A whole transaction; gives the last reply. `text` has LF line ends.
    #[track_caller]
    pub fn transact(&mut self, from: &str, to: &[&str], text: &str) -> String {
        self.say_well(&format!("MAIL FROM:<{from}>"), "250");
        for recipient in to {
            self.say_well(&format!("RCPT TO:<{recipient}>"), "250");
        }
        self.say_well("DATA", "354");
        let lines = text.trim_end_matches('\n').replace("\n.", "\n..").replace('\n', "\r\n");
        self.send(format!("{lines}\r\n.\r\n").as_bytes());
        self.hear()
    }

    /// A session with one message in it, which must be accepted.
    #[track_caller]
    pub fn deliver(address: SocketAddr, from: &str, to: &[&str], text: &str) -> String {
        let mut client = Self::connect(address);
        client.say_well("EHLO client.example", "250");
        let reply = client.transact(from, to, text);
        assert!(reply.starts_with("250"), "{reply}");
        client.say_well("QUIT", "221");
        reply
    }

    /// As [`Client::deliver`], for a server that may be away: the reply to the message, or `None` when it did not come to
    /// that.
    pub fn offer(address: SocketAddr, from: &str, to: &[&str], text: &str) -> Option<String> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let mut stream = BufReader::new(stream);
        let hear = |stream: &mut BufReader<TcpStream>, wanted: &str| {
            let mut line = String::new();
            stream.read_line(&mut line).ok()?;
            line.starts_with(wanted).then_some(line)
        };
        hear(&mut stream, "220")?;
        let recipients = to.iter().map(|to| (format!("RCPT TO:<{to}>"), "250"));
        let commands = [("HELO client.example".to_owned(), "250"), (format!("MAIL FROM:<{from}>"), "250")];
        for (command, wanted) in commands.into_iter().chain(recipients).chain([("DATA".to_owned(), "354")]) {
            stream.get_mut().write_all(format!("{command}\r\n").as_bytes()).ok()?;
            hear(&mut stream, wanted)?;
        }
        stream.get_mut().write_all((text.replace('\n', "\r\n") + ".\r\n").as_bytes()).ok()?;
        let reply = hear(&mut stream, "")?;
        let _ = stream.get_mut().write_all(b"QUIT\r\n");
        Some(reply)
    }
}
