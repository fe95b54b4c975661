//! `Received:` lines, as qmail-queue and the network servers write them (contract 14.2).

use crate::date;

/// Who called `qmail-queue`, by real uid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvokedBy {
    /// The account alias: a forward of the alias user.
    Alias,
    /// qmaild: a network server.
    Network,
    /// qmails: a bounce.
    Bounce,
    /// Anybody else.
    Uid(u32),
}

/// The line that qmail-queue puts on top of every message. `qp` is its process id, or the queue id when the
/// service queued it.
pub fn by_queue(qp: u64, by: InvokedBy, seconds: u64) -> Vec<u8> {
    let who = match by {
        InvokedBy::Alias => "by alias".to_owned(),
        InvokedBy::Network => "from network".to_owned(),
        InvokedBy::Bounce => "for bounce".to_owned(),
        InvokedBy::Uid(uid) => format!("by uid {uid}"),
    };
    format!("Received: (qmail {qp} invoked {who}); {}\n", date::header(seconds)).into_bytes()
}

/// What a network server knows about its client. Unset things are as the environment left them.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// TCPREMOTEHOST, or `unknown`.
    pub remote_host: &'a [u8],
    /// TCPREMOTEINFO.
    pub remote_info: Option<&'a [u8]>,
    /// TCPREMOTEIP, or `unknown`.
    pub remote_ip: &'a [u8],
    /// TCPLOCALHOST, else TCPLOCALIP, else `unknown`.
    pub local: &'a [u8],
    /// The HELO name, where it is to be shown.
    pub helo: Option<&'a [u8]>,
    /// `SMTP`, `QMTP`, `QMQP`.
    pub protocol: &'static str,
}

/// The two lines that a network server puts on top of a message. Bytes that could be misread become `?`.
pub fn by_server(client: &Client<'_>, seconds: u64) -> Vec<u8> {
    let mut out = b"Received: from ".to_vec();
    push_safe(&mut out, client.remote_host);
    if let Some(helo) = client.helo {
        out.extend_from_slice(b" (HELO ");
        push_safe(&mut out, helo);
        out.push(b')');
    }
    out.extend_from_slice(b" (");
    if let Some(info) = client.remote_info {
        push_safe(&mut out, info);
        out.push(b'@');
    }
    push_safe(&mut out, client.remote_ip);
    out.extend_from_slice(b")\n  by ");
    push_safe(&mut out, client.local);
    out.extend_from_slice(format!(" with {}; {}\n", client.protocol, date::header(seconds)).as_bytes());
    out
}

fn push_safe(out: &mut Vec<u8>, bytes: &[u8]) {
    let safe = |b: &u8| b.is_ascii_alphanumeric() || b".@%+/=:-[]".contains(b);
    out.extend(bytes.iter().map(|b| if safe(b) { *b } else { b'?' }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_line_of_the_queue() {
        for (by, want) in [
            (InvokedBy::Alias, "Received: (qmail 7 invoked by alias); 1 Jan 1970 00:00:00 -0000\n"),
            (InvokedBy::Network, "Received: (qmail 7 invoked from network); 1 Jan 1970 00:00:00 -0000\n"),
            (InvokedBy::Bounce, "Received: (qmail 7 invoked for bounce); 1 Jan 1970 00:00:00 -0000\n"),
            (InvokedBy::Uid(9001), "Received: (qmail 7 invoked by uid 9001); 1 Jan 1970 00:00:00 -0000\n"),
        ] {
            assert_eq!(String::from_utf8(by_queue(7, by, 0)).unwrap(), want);
        }
    }

    #[test]
    fn the_lines_of_a_server() {
        let client = Client {
            remote_host: b"client.example",
            remote_info: Some(b"joe (x)"),
            remote_ip: b"192.0.2.7",
            local: b"mx.example",
            helo: Some(b"other name"),
            protocol: "SMTP",
        };
        assert_eq!(
            String::from_utf8(by_server(&client, 0)).unwrap(),
            "Received: from client.example (HELO other?name) (joe??x?@192.0.2.7)\n  by mx.example with SMTP; \
             1 Jan 1970 00:00:00 -0000\n"
        );
        let plain = Client { remote_info: None, helo: None, ..client };
        assert_eq!(
            String::from_utf8(by_server(&plain, 0)).unwrap(),
            "Received: from client.example (192.0.2.7)\n  by mx.example with SMTP; 1 Jan 1970 00:00:00 -0000\n"
        );
    }

    proptest! {
        #[test]
        fn a_client_cannot_add_a_line(host: Vec<u8>, helo: Vec<u8>, info: Vec<u8>) {
            let client = Client {
                remote_host: &host, remote_info: Some(&info), remote_ip: b"1", local: b"l", helo: Some(&helo),
                protocol: "SMTP",
            };
            let lines = by_server(&client, 0);
            prop_assert_eq!(lines.iter().filter(|&&b| b == b'\n').count(), 2);
        }
    }
}
