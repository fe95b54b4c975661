//! Where mail for a domain goes, as a real name server tells it.
//!
//!     client ──SMTP──> [ Quail ] ──DNS──> nsd 127.0.0.53:53
//!                          └─────SMTP──> sinks on port 25 of 127.0.1.1, 127.0.1.2, ...
//!
//! All in a private network of the test's own thread, so port 25 is free and no other name server is asked.

use crate::letter;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use quail_tests::peers::nsd::Nsd;
use quail_tests::{Sink, World, deadline, mail, skip, space};
use std::io::{Read, Write};
use std::net::TcpListener;

const ZONE: &str = "\
two MX 10 first.two
two MX 20 second.two
first.two A 127.0.1.1
second.two A 127.0.1.2
down MX 10 nobody.down
down MX 20 second.two
nobody.down A 127.0.1.99
plain A 127.0.1.2
home A 127.0.0.1
alias CNAME two
null MX 0 .
lost MX 10 absent.lost
six MX 10 six.six
six.six AAAA fd00::25
quick MX 12801 host.quick
host.quick A 127.0.1.1
1.0.0.127.bad TXT \"you are in bad\"
1.0.0.127.worse A 127.0.0.2
1.0.0.127.good TXT \"nice\"
1.0.0.127.bought A 192.0.2.1
";

/// A world in a private network with the name server; `None` where that cannot be.
fn world_with_names() -> Option<(World, Nsd)> {
    let (mut world, server) = network_with_names()?;
    world.relay_for_all();
    world.start();
    Some((world, server))
}

/// The same, not started, and nobody may relay.
fn network_with_names() -> Option<(World, Nsd)> {
    let root = match Nsd::can_run() {
        Ok(root) => root,
        Err(why) => {
            skip(why);
            return None;
        }
    };
    let world = World::rootless();
    space::enter_network(world.scratch(), "127.0.0.53");
    let server = Nsd::start(&root, "127.0.0.53", "test", ZONE);
    Some((world, server))
}

#[test]
fn the_best_exchanger_gets_the_mail() {
    let Some((world, _server)) = world_with_names() else { return };
    let first = Sink::on([127, 0, 1, 1].into(), 25);
    let second = Sink::on([127, 0, 1, 2].into(), 25);
    for domain in ["two.test", "alias.test"] {
        world.deliver("a@there.example", &[&format!("b@{domain}")], &letter(domain));
        let to = first.receive().to;
        assert!(to == [format!("b@{domain}")] || to == ["b@two.test"], "{to:?}");
    }
    assert!(second.waiting().is_empty());
}

#[test]
fn the_next_exchanger_gets_it_when_the_best_does_not_answer_or_greets_badly() {
    let Some((world, _server)) = world_with_names() else { return };
    let second = Sink::on([127, 0, 1, 2].into(), 25);
    world.deliver("a@there.example", &["b@down.test"], &letter("down"));
    assert_eq!(second.receive().to, ["b@down.test"]);
    let first = Sink::on([127, 0, 1, 1].into(), 25);
    first.answer("GREETING", "421 busy");
    world.deliver("a@there.example", &["b@two.test"], &letter("busy"));
    assert_eq!(second.receive().to, ["b@two.test"]);
}

#[test]
fn a_domain_without_exchangers_is_its_own() {
    let Some((world, _server)) = world_with_names() else { return };
    let host = Sink::on([127, 0, 1, 2].into(), 25);
    world.deliver("a@there.example", &["b@plain.test"], &letter("plain"));
    assert_eq!(host.receive().to, ["b@plain.test"]);
}

#[test]
fn a_domain_that_wants_no_mail_and_one_that_does_not_exist_fail_for_good() {
    let Some((world, _server)) = world_with_names() else { return };
    world.deliver("joe@here.example", &["b@null.test"], &letter("null"));
    world.log.wait_count("failure:", 1);
    world.deliver("joe@here.example", &["b@absent.test"], &letter("absent"));
    world.log.wait("failure: Sorry,_I_couldn't_find_any_host_named_absent.test._(#5.1.2)/");
}

#[test]
fn exchangers_without_any_address_fail_for_good_as_they_always_did() {
    let Some((world, _server)) = world_with_names() else { return };
    world.deliver("joe@here.example", &["b@lost.test"], &letter("lost"));
    world.log.wait("failure: Sorry,_I_couldn't_find_a_mail_exchanger_or_IP_address._(#5.4.4)/");
}

#[test]
fn an_exchanger_may_have_a_longer_address() {
    let Some((world, _server)) = world_with_names() else { return };
    let host = Sink::on("fd00::25".parse().expect("an address"), 25);
    world.deliver("a@there.example", &["b@six.test"], &letter("six"));
    assert_eq!(host.receive().to, ["b@six.test"]);
}

#[test]
fn moreipme_and_notipme_say_which_addresses_are_ours() {
    let Some((world, _server)) = world_with_names() else { return };
    let (first, second) = (Sink::on([127, 0, 1, 1].into(), 25), Sink::on([127, 0, 1, 2].into(), 25));
    let home = Sink::on([127, 0, 0, 1].into(), 25);
    let ours = "failure: Sorry._Although_I'm_listed_as_a_best-preference_MX_or_A_for_that_host,";
    // A change of a control file counts in a quarter of a second.
    let until = |domain: &str, so: &mut dyn FnMut() -> bool| {
        deadline(domain, || {
            world.deliver("", &[&format!("b@{domain}.test")], &letter(domain));
            world.wait_empty();
            so()
        });
    };
    let refused = |domain: &str| {
        let before = world.log.count(ours);
        until(domain, &mut || world.log.count(ours) > before);
    };
    refused("home");
    world.control("notipme", "127.0.0.1\n");
    until("home", &mut || !home.waiting().is_empty());
    // Behind a better exchanger our own address matters to nobody; the best one is nobody else's.
    world.control("moreipme", "127.0.1.2\n");
    refused("plain");
    until("two", &mut || !first.waiting().is_empty());
    world.control("moreipme", "127.0.1.0/24\n");
    refused("two");
    world.control("notipme", "127.0.1.1/255.255.255.255\n");
    until("two", &mut || !first.waiting().is_empty());
    // What was sent there before the change counted is all that it got.
    assert!(second.waiting().iter().all(|m| m.to == ["b@plain.test"]));
}

/// Takes one message by QMTP and gives what came.
fn take_by_qmtp(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().expect("a client");
    let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
    while !heard.ends_with(b",,") {
        let count = stream.read(&mut buffer).expect("a message");
        assert!(count > 0, "it hung up after {}", heard.escape_ascii());
        heard.extend_from_slice(&buffer[..count]);
    }
    stream.write_all(b"3:Kok,").expect("the client listens");
    String::from_utf8(heard).expect("text")
}

#[test]
fn an_exchanger_whose_preference_means_qmtp_gets_it_so_and_by_smtp_if_it_does_not_answer() {
    let Some((mut world, _server)) = network_with_names() else { return };
    world.relay_for_all();
    world.control("mxps", "1\n");
    world.start();
    let smtp = Sink::on([127, 0, 1, 1].into(), 25);
    let qmtp = TcpListener::bind("127.0.1.1:209").expect("port 209 of a private network");
    world.deliver("a@there.example", &["b@quick.test"], &letter("quick"));
    let packet = take_by_qmtp(&qmtp);
    assert!(
        packet.ends_with("Subject: quick\n\nHello.\n,15:a@there.example,16:12:b@quick.test,,"),
        "{packet}"
    );
    world.log.wait("success: 127.0.1.1_accepted_message./Remote_host_said:_ok/");
    drop(qmtp);
    world.deliver("a@there.example", &["b@quick.test"], &letter("slow"));
    assert_eq!(smtp.receive().to, ["b@quick.test"]);
}

#[test]
fn who_is_in_a_list_is_refused_and_who_is_in_a_white_list_before_it_is_not() {
    let Some((mut world, _server)) = network_with_names() else { return };
    world.control("dnsbllist", "bought.test:no\n=bad.test\nbad.test\n");
    world.start();
    let reply = |wanted: &str| {
        let mut client = world.connect();
        client.say_well("HELO client.example", "250");
        client.say_well("MAIL FROM:<a@there.example>", "250");
        client.say("RCPT TO:<joe@here.example>").starts_with(wanted)
    };
    assert!(reply("451 you are in bad\r\n"));
    world.log.wait("127.0.0.1 is listed in bad.test: ");
    for (lists, wanted) in [
        ("absent.test\nworse.test:-go, %IP%\n", "553 go, 127.0.0.1\r\n"),
        ("-bad.test\n", "553 you are in"),
        ("+good.test\nbad.test\n", "250 ok"),
    ] {
        world.control("dnsbllist", lists);
        let processes = world.processes();
        let (pid, _) = processes.iter().find(|(_, seen)| seen.name == "qmail-smtpd").expect("a listener");
        kill(Pid::from_raw(*pid), Signal::SIGHUP).expect("it lives");
        deadline(wanted, || reply(wanted));
    }
}

#[test]
fn a_rule_for_a_name_holds_for_clients_whose_name_leads_back_to_them() {
    let root = match Nsd::can_run() {
        Ok(root) => root,
        Err(why) => return skip(why),
    };
    let mut world = World::rootless();
    space::enter_network(world.scratch(), "127.0.0.53");
    let _server =
        Nsd::start(&root, "127.0.0.53", "127.in-addr.arpa", "1.0.0 PTR Peer.Net\npeer.net A 127.0.0.1\n");
    world.control("tcprules", "=.net.127.in-addr.arpa:allow,RELAYCLIENT=\"\"\n:deny\n");
    world.control("rcpthosts", "nowhere.example\n");
    world.start();
    world.deliver("a@there.example", &["joe@here.example"], &letter("by name"));
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].contains("Received: from peer.net.127.in-addr.arpa (HELO "), "{texts:?}");
}
