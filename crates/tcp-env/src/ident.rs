//! What the other host says about the user at its end (RFC 1413).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

/// Where ident servers listen.
const PORT: u16 = 113;

/// The longest answer that is read; RFC 1413 allows 1000 bytes.
const ANSWER_MAX_BYTES: usize = 4096;

/// Asks, from our address of the connection; `None` without a whole answer in time.
pub async fn ask(local: SocketAddr, remote: SocketAddr, limit: Duration) -> Option<Vec<u8>> {
    tokio::time::timeout(limit, exchange(local, remote)).await.ok()?.ok()?
}

async fn exchange(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Vec<u8>>> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(local.ip(), 0))?;
    let mut stream = socket.connect(SocketAddr::new(remote.ip(), PORT)).await?;
    stream.write_all(format!("{} , {}\r\n", remote.port(), local.port()).as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        let mut buffer = [0; 512];
        let count = stream.read(&mut buffer).await?;
        answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if count == 0 || answer.len() > ANSWER_MAX_BYTES || answer.contains(&b'\n') {
            return Ok(user(&answer));
        }
    }
}

/// What follows the third colon of a whole line, without blanks; nothing if there is none.
pub fn user(answer: &[u8]) -> Option<Vec<u8>> {
    let end = answer.iter().position(|&byte| byte == b'\n')?;
    let line = answer.get(..end)?;
    let value = line.splitn(4, |&byte| byte == b':').nth(3).unwrap_or_default();
    Some(value.iter().copied().filter(|byte| !b" \t\r".contains(byte)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers() {
        let table: &[(&[u8], Option<&[u8]>)] = &[
            (b"4000 , 25 : USERID : UNIX : root\r\n", Some(b"root")),
            (b"4000 , 25 : USERID : UNIX : a:b:c\r\n", Some(b"a:b:c")),
            (b"4000 , 25 : USERID : UNIX : \t x y \r\nmore", Some(b"xy")),
            (b"4000 , 25 : USERID : UNIX :\r\n", Some(b"")),
            (b"4000 , 25 : ERROR : NO-USER\r\n", Some(b"")),
            (b"4000 , 25 : USERID : UNIX : nolf", None),
            (b"", None),
        ];
        for (answer, wanted) in table {
            assert_eq!(user(answer).as_deref(), *wanted, "{}", answer.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_one(answer: Vec<u8>) {
            let _ = user(&answer);
        }
    }
}
