//! The resolver against a name server of the test's own, on a loopback port.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dns::{Candidate, Lookup, MailHosts, Random, Resolver, Servers};
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

enum Answer {
    Records(Vec<RData>),
    Code(ResponseCode),
    Garbage,
}

struct Server {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn mx(preference: u16, host: &str) -> RData {
    RData::MX(MX::new(preference, name(host)))
}

fn a(text: &str) -> RData {
    match text.parse().unwrap() {
        IpAddr::V4(four) => RData::A(A(four)),
        IpAddr::V6(six) => RData::AAAA(AAAA(six)),
    }
}

/// Serves `zone` until the test ends. A name that is not there does not exist.
async fn serve(zone: Vec<(&str, Answer)>) -> Server {
    let zone: HashMap<Name, Answer> = zone.into_iter().map(|(host, answer)| (name(host), answer)).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
            let query = question.queries.first().unwrap().clone();
            let mut reply = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
            reply.metadata.recursion_available = true;
            reply.add_query(query.clone());
            count.fetch_add(1, Ordering::SeqCst);
            match zone.get(query.name()) {
                None => reply.metadata.response_code = ResponseCode::NXDomain,
                Some(Answer::Code(code)) => reply.metadata.response_code = *code,
                Some(Answer::Garbage) => {
                    let mut bytes = buffer[..length].to_vec();
                    bytes.truncate(13);
                    let _ = socket.send_to(&bytes, client).await;
                    continue;
                }
                Some(Answer::Records(records)) => {
                    let fits = |data: &&RData| {
                        data.record_type() == query.query_type() || data.record_type() == RecordType::CNAME
                    };
                    for data in records.iter().filter(fits) {
                        reply.add_answer(Record::from_rdata(query.name().clone(), 60, data.clone()));
                        if let RData::CNAME(CNAME(target)) = data
                            && let Some(Answer::Records(behind)) = zone.get(target)
                        {
                            for data in behind.iter().filter(fits) {
                                reply.add_answer(Record::from_rdata(target.clone(), 60, data.clone()));
                            }
                        }
                    }
                }
            }
            let _ = socket.send_to(&reply.to_vec().unwrap(), client).await;
        }
    });
    Server { address, asked }
}

async fn resolver(zone: Vec<(&str, Answer)>) -> (Resolver, Server) {
    let server = serve(zone).await;
    (Resolver::new(Servers::At(server.address)).unwrap(), server)
}

fn found(candidates: &[(u16, &str)]) -> MailHosts {
    let candidate =
        |&(preference, text): &(u16, &str)| Candidate { preference, address: text.parse().unwrap() };
    MailHosts::Found(candidates.iter().map(candidate).collect())
}

#[tokio::test]
async fn domains_and_who_takes_their_mail() {
    use Answer::*;
    let (resolver, _server) = resolver(vec![
        ("two.test.", Records(vec![mx(20, "m2.test."), mx(10, "m1.test.")])),
        ("m1.test.", Records(vec![a("192.0.2.1")])),
        ("m2.test.", Records(vec![a("2001:db8::2")])),
        ("bare.test.", Records(vec![a("192.0.2.3"), a("2001:db8::3")])),
        ("null.test.", Records(vec![mx(0, ".")])),
        ("nearlynull.test.", Records(vec![mx(0, "."), mx(5, "m1.test.")])),
        ("gone.test.", Records(vec![mx(10, "nowhere.test.")])),
        ("empty.test.", Records(vec![])),
        ("fail.test.", Code(ResponseCode::ServFail)),
        ("refused.test.", Code(ResponseCode::Refused)),
        ("garbage.test.", Garbage),
        ("onefails.test.", Records(vec![mx(10, "fail.test."), mx(20, "m1.test.")])),
        ("allfail.test.", Records(vec![mx(10, "fail.test."), mx(20, "nowhere.test.")])),
        ("alias.test.", Records(vec![RData::CNAME(CNAME(name("two.test.")))])),
        ("mxalias.test.", Records(vec![mx(10, "malias.test.")])),
        ("malias.test.", Records(vec![RData::CNAME(CNAME(name("m1.test.")))])),
    ])
    .await;
    for (domain, want) in [
        ("two.test", found(&[(10, "192.0.2.1"), (20, "2001:db8::2")])),
        ("TWO.test.", found(&[(10, "192.0.2.1"), (20, "2001:db8::2")])),
        ("null.test", MailHosts::NullExchanger),
        ("nearlynull.test", found(&[(5, "192.0.2.1")])),
        ("gone.test", MailHosts::NoAddress),
        ("empty.test", MailHosts::NoSuchHost),
        ("nothere.test", MailHosts::NoSuchHost),
        ("fail.test", MailHosts::Unavailable),
        ("refused.test", MailHosts::Unavailable),
        ("garbage.test", MailHosts::Unavailable),
        ("onefails.test", found(&[(20, "192.0.2.1")])),
        ("allfail.test", MailHosts::Unavailable),
        ("alias.test", found(&[(10, "192.0.2.1"), (20, "2001:db8::2")])),
        ("mxalias.test", found(&[(10, "192.0.2.1")])),
        ("no such.test", MailHosts::NoSuchHost),
        ("", MailHosts::NoSuchHost),
    ] {
        let got = resolver.mail_hosts(domain.as_bytes(), &mut Random::seeded(1)).await;
        assert_eq!(got, want, "{domain}");
    }
    let Lookup::Found(both) = resolver.addresses(b"bare.test").await else { panic!() };
    assert_eq!(both.len(), 2);
}

#[tokio::test]
async fn an_answer_is_remembered() {
    let (resolver, server) =
        resolver(vec![("host.test.", Answer::Records(vec![a("192.0.2.1"), a("2001:db8::1")]))]).await;
    let first = resolver.addresses(b"host.test").await;
    let asked = server.asked.load(Ordering::SeqCst);
    for _ in 0..10 {
        assert_eq!(resolver.clone().addresses(b"HOST.test.").await, first);
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), asked);
}

#[tokio::test]
async fn an_absurd_number_of_exchangers_is_bounded() {
    // As many as fit in one datagram here; the order of preference is what counts.
    let exchangers: Vec<RData> = (0..40).rev().map(|n| mx(n, &format!("m{n}.test."))).collect();
    let (resolver, server) = resolver(vec![
        ("many.test.", Answer::Records(exchangers)),
        ("m0.test.", Answer::Records(vec![a("192.0.2.9")])),
    ])
    .await;
    let got = resolver.mail_hosts(b"many.test", &mut Random::seeded(1)).await;
    assert_eq!(got, found(&[(0, "192.0.2.9")]));
    // One for MX, two for each exchanger that is kept.
    assert!(server.asked.load(Ordering::SeqCst) <= 1 + 2 * dns::mail_hosts::MOST_EXCHANGERS);
}
