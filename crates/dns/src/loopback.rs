//! Names of this host's own addresses, 127.0.0.0/8 and ::1. The resolver answers such questions by itself, with
//! `localhost`; an administrator may have put something else into his DNS, and tcp-env is to say that.

use crate::Lookup;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;

/// How long each of [`TRIES`] may take.
const ANSWER_TIME: Duration = Duration::from_secs(3);
/// How often is asked.
const TRIES: u32 = 2;
/// The longest answer over UDP without EDNS (RFC 1035 §4.2.1).
const ANSWER_MAX_BYTES: usize = 512;

/// Asks one server for the names of one address.
pub async fn names_of(address: IpAddr, server: SocketAddr) -> Lookup<Vec<Name>> {
    for _ in 0..TRIES {
        match tokio::time::timeout(ANSWER_TIME, ask(address, server)).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(_)) => return Lookup::Unavailable,
            Err(_) => {}
        }
    }
    Lookup::Unavailable
}

async fn ask(address: IpAddr, server: SocketAddr) -> io::Result<Lookup<Vec<Name>>> {
    let any =
        if server.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::from(address), RecordType::PTR));
    let bytes = question.to_vec().map_err(io::Error::other)?;
    socket.send(&bytes).await?;
    let mut buffer = [0; ANSWER_MAX_BYTES];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let answer = Message::from_vec(buffer.get(..length).unwrap_or_default());
        // What does not answer this question is somebody else's.
        if let Ok(answer) = answer
            && answer.metadata.id == question.metadata.id
            && answer.queries == question.queries
        {
            return Ok(read(&answer));
        }
    }
}

fn read(answer: &Message) -> Lookup<Vec<Name>> {
    let names: Vec<Name> = answer
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::PTR(name) => Some(name.0.clone()),
            _ => None,
        })
        .collect();
    match answer.metadata.response_code {
        ResponseCode::NoError if !names.is_empty() => Lookup::Found(names),
        ResponseCode::NoError | ResponseCode::NXDomain => Lookup::Absent,
        _ => Lookup::Unavailable,
    }
}
