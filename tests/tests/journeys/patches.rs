//! What patched qmails have, with other people's servers and clients at the other end.
//!
//!     swaks ──SMTP──> [ Quail ] ──SMTP──> Postfix ─> its Maildir
//!                         └──── bounce ───────^
//!
//! Which addresses are this host's own is in `names.rs`.

use crate::letter;
use nix::sys::signal::Signal;
use quail_tests::peers::postfix::{self, Postfix};
use quail_tests::{Sink, World, deadline, mail, place, skip};
use std::process::{Command, Output};
use std::time::Duration;

/// A running Postfix, and a world, not started, that sends its domain's mail there; `None`, said aloud, without Postfix.
fn world_and_postfix() -> Option<(World, Postfix)> {
    let root = match Postfix::can_run() {
        Ok(root) => root,
        Err(why) => {
            skip(why);
            return None;
        }
    };
    let peer = Postfix::start(&root, &[]);
    let mut world = World::rootless();
    let (ip, port) = (peer.address.ip(), peer.address.port());
    world.control("smtproutes", &format!("{}:{ip}:{port}\n", postfix::DOMAIN));
    world.relay_for_all();
    Some((world, peer))
}

/// Sends ALRM until Postfix has so many messages: what has been deferred is tried again, and looks at control files anew.
fn ring_until_new(world: &World, peer: &Postfix, count: usize) {
    deadline("what waited has gone", || {
        world.signal(Signal::SIGALRM);
        std::thread::park_timeout(Duration::from_millis(50));
        mail::new_in(&peer.maildir()).len() >= count
    });
}

#[test]
fn postfix_sees_the_address_that_outgoingip_and_bindroutes_say() {
    let Some((mut world, peer)) = world_and_postfix() else { return };
    world.start();
    let mut sent = 0;
    for (outgoingip, bindroutes, seen) in [
        ("", "", "127.0.0.1"),
        ("127.0.0.2\n", "", "127.0.0.2"),
        ("127.0.0.2\n", "127.0:127.0.0.3\n10.:127.0.0.4\n", "127.0.0.3"),
        ("127.0.0.2\n", "127.0.0.1:0.0.0.0\n127.0:127.0.0.3\n", "127.0.0.1"),
    ] {
        world.control("outgoingip", outgoingip);
        world.control("bindroutes", bindroutes);
        // A change counts in a quarter of a second, though the connection from elsewhere is kept in use until then.
        deadline(seen, || {
            sent += 1;
            let subject = format!("number {sent}.");
            world.deliver("a@there.example", &["b@postfix.example"], &letter(&subject));
            let texts = mail::wait_for(&peer.maildir(), sent);
            let text = texts.iter().find(|t| t.contains(&subject)).expect("the newest");
            text.contains("Received: from here.example (") && text.contains(&format!(" [{seen}])\n\tby mx."))
        });
    }
}

#[test]
fn from_an_address_that_is_none_nothing_leaves() {
    let Some((mut world, peer)) = world_and_postfix() else { return };
    world.control("outgoingip", "mx.here.example\n");
    world.start();
    world.deliver("a@there.example", &["b@postfix.example"], &letter("waits"));
    world.log.wait("deferral: ");
    assert!(world.log.count("control/outgoingip:_\"mx.here.example\"_is_not_an_IP_address") == 1);
    world.control("outgoingip", "127.0.0.2\n");
    ring_until_new(&world, &peer, 1);
    assert!(mail::wait_for(&peer.maildir(), 1)[0].contains("(unknown [127.0.0.2])"));
}

#[test]
fn a_route_with_a_login_waits_aloud_and_goes_when_the_login_is_gone() {
    let Some((mut world, peer)) = world_and_postfix() else { return };
    let route = format!("{}:{}", peer.address.ip(), peer.address.port());
    world.control("smtproutes", &format!("postfix.example:{route}|joe|secret\n"));
    world.control("authsenders", &format!("ann@there.example:{route}|ann|secret\n@all.example:{route}\n"));
    world.start();
    world.deliver("ann@there.example", &["b@elsewhere.example"], &letter("by sender"));
    world.log.wait("deferral: The_route_in_control/authsenders_has_a_login,_");
    world.deliver("a@there.example", &["b@postfix.example"], &letter("by domain"));
    world.log.wait("deferral: The_route_in_control/smtproutes_has_a_login,_");
    // A route by sender is asked first.
    world.deliver("x@all.example", &["b@postfix.example"], &letter("without"));
    assert!(mail::wait_for(&peer.maildir(), 1)[0].contains("\nSubject: without\n"));
    assert!(!world.log.lines().iter().any(|l| l.contains("secret")), "a password is in the log");
    world.control("smtproutes", &format!("postfix.example:{route}\n"));
    ring_until_new(&world, &peer, 2);
}

#[test]
fn a_bounce_that_postfix_gets_holds_as_much_as_bouncemaxbytes_says() {
    let Some((mut world, peer)) = world_and_postfix() else { return };
    world.control("bouncemaxbytes", "1000\n");
    world.start();
    let body = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n".repeat(400);
    let text = format!("{}{body}", letter("large"));
    world.deliver("a@postfix.example", &["joe-none@here.example"], &text);
    let bounces = mail::wait_for(&peer.maildir(), 1);
    let bounce = &bounces[0];
    assert!(bounce.contains("<joe-none@here.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n"));
    let copy = bounce.split_once("--- Below this line is a copy of the message.\n\n").expect("a copy").1;
    assert!(copy.contains("\nSubject: large\n"), "{copy}");
    assert!((900..1200).contains(&copy.len()), "{} bytes: {copy}", copy.len());
    world.wait_empty();
}

#[test]
fn double_bounces_are_dropped_when_nobody_wants_them() {
    let sink = Sink::start();
    sink.answer("RCPT", "550 nobody");
    let mut world = World::rootless();
    world.relay_for_all();
    world.control("smtproutes", &format!("away.example:{}\n", sink.route()));
    world.control("doublebounceto", "\n");
    world.start();
    let send = || world.deliver("nobody@away.example", &["b@away.example"], &letter("double"));
    send();
    world.log.wait("double bounce: discarding bounce/");
    world.wait_empty();
    // With a name in it, somebody gets them again.
    world.control("doublebounceto", "joe\n");
    world.signal(Signal::SIGHUP);
    let maildir = world.home().join("joe/Maildir");
    deadline("settings are read again", || {
        send();
        world.wait_empty();
        !mail::new_in(&maildir).is_empty()
    });
    assert!(mail::texts(&maildir)[0].contains("the bounce bounced!\n"));
}

/// What swaks says to the world.
fn swaks(world: &World, from: &str, to: &str) -> Option<Output> {
    let Some(swaks) = place::program_of("swaks", "swaks") else {
        skip("swaks cannot be had");
        return None;
    };
    let mut command = Command::new("perl");
    command.arg(swaks).args(["--server", &world.address.to_string(), "--pipeline"]);
    Some(command.args(["--from", from, "--to", to]).output().expect("swaks"))
}

#[test]
fn swaks_may_name_as_many_recipients_as_maxrcpt_says() {
    let mut world = World::rootless();
    world.user("ann");
    world.control("maxrcpt", "2\n");
    world.start();
    let to = "joe@here.example,ann@here.example,joe-third@here.example";
    let Some(output) = swaks(&world, "a@there.example", to) else { return };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.matches("452 4.5.3 too many recipients (#4.5.3)").count(), 1, "{said}");
    assert!(output.status.success(), "{said}");
    for name in ["joe", "ann"] {
        mail::wait_for(&world.home().join(name).join("Maildir"), 1);
    }
    world.wait_empty();
    // Two recipients, one message: its end is logged after both.
    world.log.wait("end msg");
    assert_eq!(world.log.count("starting delivery"), 2);
}

#[test]
fn swaks_is_refused_by_patterns_of_senders() {
    let mut world = World::rootless();
    world.control("badmailfromstyle", "pattern\n");
    world.control("badmailfrom", "^spam[0-9]+@\n!@.*\\.example$\n");
    world.control("badmailfromnorelay", "@here\\.example$\n");
    world.start();
    for (from, is_refused) in [
        ("a@there.example", false),
        ("SPAM12@there.example", true),
        ("spam@there.example", false),
        ("a@there.test", true),
        ("joe@here.example", true),
        ("<>", false),
    ] {
        let Some(output) = swaks(&world, from, "joe@here.example") else { return };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let refusal = "553 5.7.1 sorry, your envelope sender has been denied (#5.7.1)";
        assert_eq!(said.contains(refusal), is_refused, "{from}: {said}");
        assert_eq!(output.status.success(), !is_refused, "{from}: {said}");
    }
    mail::wait_for(&world.home().join("joe/Maildir"), 3);
}
