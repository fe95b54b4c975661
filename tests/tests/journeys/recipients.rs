//! Recipients that do not exist are refused at RCPT by those who would deliver to them.
//!
//!     client | swaks | Postfix ──RCPT──> [ smtpd ──question──> lspawn ─> users/cdb | getpw ─> joe's local ] ──> 250 or 550
//!
//! in the listener, and under Debian's tcpserver.

use crate::letter;
use quail_tests::peers::postfix::Postfix;
use quail_tests::peers::ucspi::{self, Tcpserver};
use quail_tests::{Client, World, mail, place, skip};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::time::Duration;

const NOBODY: &str = "550 5.1.1 sorry, no mailbox here by that name. (#5.1.1)\r\n";

/// joe, a virtual domain of his, and the question asked.
fn checking(more: &[(&str, &str)]) -> World {
    let mut world = World::rootless();
    world.control("checkrecipients", "yes\n");
    world.control("rcpthosts", "here.example\nvirt.example\nfar.example\n");
    world.control("virtualdomains", "virt.example:joe-virt\n");
    more.iter().for_each(|(name, content)| world.control(name, content));
    world.dot_qmail("joe", "-list", "&joe@here.example\n");
    world.dot_qmail("joe", "-virt-ann", "./Maildir/\n");
    world.dot_qmail("joe", "-any-default", "./Maildir/\n");
    world.start();
    world
}

/// Whether the recipient is accepted; the reply, if not.
fn says(client: &mut Client, recipient: &str) -> Option<String> {
    let reply = client.say(&format!("RCPT TO:<{recipient}>"));
    (!reply.starts_with("250 ")).then_some(reply)
}

fn begun(world: &World) -> Client {
    let mut client = world.connect();
    client.say_well("EHLO client.example", "250");
    client.say_well("MAIL FROM:<a@there.example>", "250");
    client
}

#[test]
fn who_would_deliver_decides_who_is_there() {
    let world = checking(&[]);
    let mut client = begun(&world);
    for (recipient, is_there) in [
        ("joe@here.example", true),
        ("JOE-List@Here.Example", true),
        ("joe-any-thing@here.example", true),
        ("joe-nothing@here.example", false),
        ("nobody@here.example", false),
        ("ann@virt.example", true),
        ("bob@virt.example", false),
        // Another host's to know.
        ("whoever@far.example", true),
        ("joe", true),
    ] {
        let refusal = says(&mut client, recipient);
        assert_eq!(refusal, (!is_there).then(|| NOBODY.to_owned()), "{recipient}");
    }
    client.say_well("DATA", "354");
    client.send(b"Subject: x\r\n\r\n.\r\n");
    assert!(client.hear().starts_with("250 "));
    world.log.wait("refused \"RCPT TO:<bob@virt.example>\": 550 5.1.1 sorry");
}

#[test]
fn a_mailbox_that_was_just_made_gets_its_mail_soon_and_doubt_is_no_refusal() {
    let world = checking(&[]);
    let mut client = begun(&world);
    assert_eq!(says(&mut client, "joe-new@here.example").as_deref(), Some(NOBODY));
    world.dot_qmail("joe", "-new", "./Maildir/\n");
    world.own(&world.home().join("joe/.qmail-new"));
    // A session each, so that none is hung up on for its refusals.
    place::deadline("the new address is accepted", || {
        says(&mut begun(&world), "joe-new@here.example").is_none()
    });
    // A sticky home defers: its owner is editing.
    let home = world.home().join("joe");
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o1755)).unwrap();
    assert_eq!(says(&mut client, "joe-other@here.example"), None);
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn as_root_qmaild_may_ask_and_nobody_else() {
    if !place::is_root() {
        return skip("only root can make a /var/qmail with seven accounts");
    }
    let mut world = World::as_root();
    world.control("checkrecipients", "yes\n");
    world.start();
    let socket = world.home().join("run/recipients").metadata().expect("a socket");
    let group = world.accounts().named("qmaild").gid;
    assert_eq!((socket.uid(), socket.gid(), socket.mode() & 0o777), (0, group, 0o660));
    let mut client = begun(&world);
    assert_eq!(says(&mut client, "joe@here.example"), None);
    assert_eq!(says(&mut client, "joe-nobody@here.example").as_deref(), Some(NOBODY));
    // The accounts of this world have an alias user without any files.
    assert_eq!(says(&mut client, "stranger@here.example").as_deref(), Some(NOBODY));
    // Nobody's mail is delivered as root: that name is alias's, too.
    assert_eq!(says(&mut client, "root@here.example").as_deref(), Some(NOBODY));
}

#[test]
fn whoever_guesses_is_slowed_down_and_hung_up_on() {
    let world = checking(&[("brtlimit", "4\n"), ("tarpitcount", "2\n"), ("tarpitdelay", "1\n")]);
    let mut client = begun(&world);
    let start = std::time::Instant::now();
    for number in 0..4 {
        assert_eq!(says(&mut client, &format!("guess{number}@here.example")).as_deref(), Some(NOBODY));
    }
    assert!(client.hear().starts_with("421 4.3.0 too many invalid addresses, goodbye"));
    assert!(start.elapsed() >= Duration::from_secs(2));
}

#[test]
fn swaks_is_told_at_rcpt() {
    let Some(swaks) = place::program_of("swaks", "swaks") else { return skip("swaks cannot be had") };
    let world = checking(&[]);
    let swaks = |to: &str| {
        let mut command = Command::new("perl");
        command.arg(&swaks).args(["--server", &world.address.to_string(), "--pipeline"]);
        command.args(["--from", "a@there.example", "--to", to]).output().expect("swaks")
    };
    let refused = swaks("nobody@here.example,joe-nobody@here.example");
    assert_eq!(refused.status.code(), Some(24), "{refused:?}");
    let text = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert_eq!(text.matches("550 5.1.1 sorry, no mailbox here by that name.").count(), 2, "{text}");
    assert!(swaks("nobody@here.example,joe@here.example").status.success());
    assert_eq!(mail::wait_for(&world.home().join("joe/Maildir"), 1).len(), 1);
}

#[test]
fn postfix_bounces_what_we_refuse_and_delivers_the_rest() {
    let root = match Postfix::can_run() {
        Ok(root) => root,
        Err(why) => return skip(why),
    };
    let world = checking(&[]);
    let peer = Postfix::start(&root, &[("here.example", world.address)]);
    let to = ["joe@here.example", "nobody@here.example"];
    // Its bounce goes to a mailbox of its own.
    Client::deliver(peer.address, "a@postfix.example", &to, &letter("both"));
    assert!(mail::wait_for(&world.home().join("joe/Maildir"), 1)[0].contains("Subject: both\n"));
    let bounces = mail::wait_for(&peer.maildir(), 1);
    let words = bounces[0].replace("\n    ", " ");
    assert!(words.contains("550 5.1.1 sorry, no mailbox here by that name."), "{words}");
}

fn mail_from(server: &Tcpserver) -> Client {
    let mut client = Client::connect(server.address);
    client.say_well("HELO client.example", "250");
    client.say_well("MAIL FROM:<a@there.example>", "250");
    client
}

#[test]
fn under_tcpserver_it_is_the_same_and_the_environment_has_its_say() {
    let Some(tcpserver) = ucspi::program("tcpserver") else { return skip("tcpserver cannot be had") };
    let mut world = World::rootless();
    world.control("badrcptto", "^joe-secret@\n(\n");
    world.dot_qmail("joe", "-secret", "./Maildir/\n");
    world.start();
    let smtpd = world.home().join("bin/qmail-smtpd");
    let serve = |variables: &[_]| Tcpserver::start_with(&world, &tcpserver, variables, &["-v"], &[&smtpd]);
    let plain = serve(&[]);
    // As it ever was: nobody is asked.
    let mut client = mail_from(&plain);
    assert_eq!(says(&mut client, "joe-nobody@here.example"), None);
    let denied = "553 sorry, your envelope recipient has been denied (#5.7.1)\r\n";
    assert_eq!(says(&mut client, "JOE-secret@here.example").as_deref(), Some(denied));
    let server = serve(&[("CHKUSER_START", "ALWAYS"), ("CHKUSER_WRONGRCPTLIMIT", "2")]);
    let mut client = mail_from(&server);
    let nobody = "550 sorry, no mailbox here by that name. (#5.1.1)\r\n";
    assert_eq!(says(&mut client, "joe@here.example"), None);
    assert_eq!(says(&mut client, "joe-nobody@here.example").as_deref(), Some(nobody));
    assert_eq!(says(&mut client, "nobody@here.example").as_deref(), Some(nobody));
    assert_eq!(client.hear(), "421 too many invalid addresses, goodbye (#4.3.0)\r\n");
    let relay = serve(&[("CHKUSER_START", "ALWAYS"), ("RELAYCLIENT", "")]);
    assert_eq!(says(&mut mail_from(&relay), "joe-nobody@here.example"), None);
}
