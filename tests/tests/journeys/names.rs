//! Where mail for a domain goes, as a real name server tells it.
//!
//!     client ──SMTP──> [ Quail ] ──DNS──> nsd 127.0.0.53:53
//!                          └─────SMTP──> sinks on port 25 of 127.0.1.1, 127.0.1.2, ...
//!
//! All in a private network of the test's own thread, so port 25 is free and no other name server is asked.

use crate::letter;
use quail_tests::peers::nsd::Nsd;
use quail_tests::{Sink, World, skip, space};

const ZONE: &str = "\
two MX 10 first.two
two MX 20 second.two
first.two A 127.0.1.1
second.two A 127.0.1.2
down MX 10 nobody.down
down MX 20 second.two
nobody.down A 127.0.1.99
plain A 127.0.1.2
alias CNAME two
null MX 0 .
lost MX 10 absent.lost
six MX 10 six.six
six.six AAAA fd00::25
";

/// A world in a private network with the name server; `None` where that cannot be.
fn world_with_names() -> Option<(World, Nsd)> {
    let root = match Nsd::can_run() {
        Ok(root) => root,
        Err(why) => {
            skip(why);
            return None;
        }
    };
    let mut world = World::rootless();
    space::enter_network(world.scratch(), "127.0.0.53");
    let server = Nsd::start(&root, "127.0.0.53", "test", ZONE);
    world.relay_for_all();
    world.start();
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
