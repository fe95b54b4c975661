//! Real mail servers on the other side, both ways.
//!
//!     client ──SMTP──> [ Quail ] ──SMTP──> Postfix | Exim | OpenSMTPD ─> its Maildir
//!     client ──SMTP──> Postfix | Exim | OpenSMTPD ──SMTP──> [ Quail ] ─> joe/Maildir/new

use quail_tests::peers::{exim, exim::Exim, opensmtpd, opensmtpd::OpenSmtpd, postfix, postfix::Postfix};
use quail_tests::{Client, World, mail, skip};
use std::net::SocketAddr;

/// Text that a careless relay would damage.
const DIFFICULT: &str = "\n\n From here\n.. two\n\ttab  \n=\n";

/// A message with that body.
fn difficult() -> String {
    format!("Subject: difficult{DIFFICULT}")
}

/// A world that sends everything for `domain` to `next`.
fn world_with(domain: &str, next: SocketAddr) -> World {
    let mut world = World::rootless();
    world.control("smtproutes", &format!("{domain}:{}:{}\n", next.ip(), next.port()));
    world.relay_for_all();
    world.start();
    world
}

#[test]
fn postfix_takes_and_delivers_what_we_relay() {
    let root = match Postfix::can_run() {
        Ok(root) => root,
        Err(why) => return skip(why),
    };
    let peer = Postfix::start(&root, &[]);
    let world = world_with(postfix::DOMAIN, peer.address);
    let (one, two) = ("b@postfix.example", "c@postfix.example");
    world.deliver("joe@here.example", &[one, two], &difficult());
    let texts = mail::wait_for(&peer.maildir(), 2);
    assert!(texts.iter().all(|t| t.ends_with(DIFFICULT)), "{texts:?}");
    assert!(texts.iter().any(|t| t.contains(&format!("X-Original-To: {one}\n"))), "{texts:?}");
    world
        .log
        .wait_count("success: 127.0.0.1_accepted_message./Remote_host_said:_250_2.0.0_Ok:_queued_as_", 2);
    world.wait_empty();
}

#[test]
fn what_postfix_refuses_comes_back_with_its_words() {
    let root = match Postfix::can_run() {
        Ok(root) => root,
        Err(why) => return skip(why),
    };
    let peer = Postfix::start(&root, &[]);
    let world = world_with(postfix::DOMAIN, peer.address);
    // Above Postfix's own limit of 10,240,000 bytes, which it tells us after EHLO and we it with MAIL.
    let line = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";
    let large = format!("Subject: large\n\n{}", line.repeat(170_000));
    world.deliver("joe@here.example", &["b@postfix.example"], &large);
    let bounces = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(bounces[0].contains("<b@postfix.example>:\nConnected to 127.0.0.1 but sender was rejected."));
    assert!(bounces[0].contains("\nRemote host said: 552 5.3.4 Message size exceeds fixed limit"));
    assert!(bounces[0].ends_with(line));
    world.wait_empty();
}

#[test]
fn postfix_delivers_to_us() {
    let root = match Postfix::can_run() {
        Ok(root) => root,
        Err(why) => return skip(why),
    };
    let mut world = World::rootless();
    world.start();
    let peer = Postfix::start(&root, &[("here.example", world.address)]);
    let to = ["joe@here.example", "joe-none@here.example"];
    Client::deliver(peer.address, "a@postfix.example", &to, &difficult());
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].ends_with(DIFFICULT), "{texts:?}");
    assert!(texts[0].contains("by mx.postfix.example (Postfix) with ESMTP"), "{texts:?}");
    world.log.wait("failure:");
}

#[test]
fn exim_takes_and_delivers_what_we_relay() {
    let root = match Exim::can_run() {
        Ok(root) => root,
        Err(why) => return skip(why),
    };
    let peer = Exim::start(&root, "127.0.0.1:9".parse().expect("an address"));
    let world = world_with(exim::DOMAIN, peer.address);
    world.deliver("joe@here.example", &["b@exim.example"], &difficult());
    let texts = mail::wait_for(&peer.maildir(), 1);
    assert!(texts[0].ends_with(DIFFICULT), "{texts:?}");
    world.wait_empty();
}

#[test]
fn exim_delivers_to_us() {
    let root = match Exim::can_run() {
        Ok(root) => root,
        Err(why) => return skip(why),
    };
    let mut world = World::rootless();
    world.start();
    let peer = Exim::start(&root, world.address);
    Client::deliver(peer.address, "a@exim.example", &["joe@here.example"], &difficult());
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].ends_with(DIFFICULT), "{texts:?}");
    assert!(texts[0].contains("by mx.exim.example with esmtp"), "{texts:?}");
}

#[test]
fn opensmtpd_takes_and_delivers_what_we_relay() {
    let root = match OpenSmtpd::can_run() {
        Ok(root) => root,
        Err(why) => return skip(why),
    };
    let peer = OpenSmtpd::start(&root, &[]);
    let world = world_with(opensmtpd::DOMAIN, peer.address);
    world.deliver("joe@here.example", &["b@opensmtpd.example"], &difficult());
    let texts = mail::wait_for(&peer.maildir(), 1);
    assert!(texts[0].ends_with(DIFFICULT), "{texts:?}");
    world.wait_empty();
}

#[test]
fn opensmtpd_delivers_to_us() {
    let root = match OpenSmtpd::can_run() {
        Ok(root) => root,
        Err(why) => return skip(why),
    };
    let mut world = World::rootless();
    world.start();
    let peer = OpenSmtpd::start(&root, &[("here.example", world.address)]);
    Client::deliver(peer.address, "a@opensmtpd.example", &["joe@here.example"], &difficult());
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].ends_with(DIFFICULT), "{texts:?}");
    assert!(texts[0].contains("by mx.opensmtpd.example (OpenSMTPD) with ESMTP"), "{texts:?}");
}
