//! Conversations under the checks of the well-known patches.

use crate::checks::Checks;
use crate::client::Client;
use crate::mailboxes::{Mailboxes, When};
use crate::overrides::Overrides;
use crate::patterns::Patterns;
use crate::policy::Policy;
use crate::session::{Action, Ending, Session};
use crate::session_tests::{client, policy};
use contracts::recipients::Mailbox;
use std::sync::Arc;
use std::time::Duration;

fn patterns(lines: &str) -> Patterns {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("control")).unwrap();
    std::fs::write(home.path().join("control/list"), lines).unwrap();
    let control = control::Control::at(home.path());
    Patterns::read(&control, "list", &mut |warning| panic!("{warning}")).unwrap()
}

fn stranger(overrides: Overrides) -> Client {
    Client { overrides, ..client() }
}

fn relay(overrides: Overrides) -> Client {
    Client { relay: Some(Vec::new()), ..stranger(overrides) }
}

/// What came of a conversation: replies without the greeting, pauses in seconds, the ending.
fn converse(checks: Checks, client: Client, input: &str) -> (String, Vec<u64>, Option<Ending>) {
    let mut session = Session::new(Arc::new(Policy { checks, ..policy() }), client);
    session.replies_sent();
    let (mut rest, mut pauses) = (input.as_bytes(), Vec::new());
    let ending = loop {
        let (used, action) = session.step(rest, 0);
        rest = &rest[used..];
        match action {
            Action::Read => break None,
            Action::Close(ending) => break Some(ending),
            Action::Pause(time) => pauses.push(time.as_secs()),
            Action::Ask => {
                let mailbox = match session.asked().first() {
                    Some(b'n') => Mailbox::Absent,
                    Some(b'u') => Mailbox::Unknown,
                    _ => Mailbox::Present,
                };
                session.answered(mailbox);
            }
            other => panic!("{other:?}"),
        }
    };
    (String::from_utf8_lossy(session.replies()).replace("\r\n", "\n"), pauses, ending)
}

fn replies(checks: Checks, client: Client, input: &str) -> String {
    converse(checks, client, input).0
}

/// A transaction with these recipients, all of a domain of ours.
fn transaction(recipients: &[&str]) -> String {
    let lines = recipients.iter().map(|local| format!("RCPT TO:<{local}@rcpt.example>\r\n"));
    ["MAIL FROM:<s@sender.example>\r\n".to_owned()].into_iter().chain(lines).collect()
}

const NAME: &str = "553 sorry, your HELO host name has been denied (#5.7.1)\n";
const SENDER: &str = "553 sorry, your envelope sender has been denied (#5.7.1)\n";
const RECIPIENT: &str = "553 sorry, your envelope recipient has been denied (#5.7.1)\n";
const MAILBOX: &str = "550 sorry, no mailbox here by that name. (#5.1.1)\n";

#[test]
fn patterns_refuse_names_senders_and_recipients_at_rcpt() {
    let checks = || Checks {
        senders: patterns("sender\\.example$"),
        recipients: [patterns("^bad"), patterns("^old")],
        names: patterns("!\\."),
        ..Checks::default()
    };
    let helo = |name: &str| format!("HELO {name}\r\n{}", transaction(&["r"]));
    let greeted = "250 mx.example\n250 ok\n";
    assert_eq!(replies(checks(), client(), &helo("nodots")), format!("{greeted}{NAME}"));
    assert_eq!(replies(checks(), client(), &helo("a.example")), format!("{greeted}{SENDER}"));
    let names_off = Overrides { any_helo: true, ..Overrides::default() };
    assert_eq!(replies(checks(), stranger(names_off), &helo("nodots")), format!("{greeted}{SENDER}"));
    let senders_off = Overrides { any_sender: true, ..Overrides::default() };
    let two = transaction(&["bad1", "old2", "good"]);
    let expected = format!("250 ok\n{RECIPIENT}{RECIPIENT}250 ok\n");
    assert_eq!(replies(checks(), stranger(senders_off), &two), expected);
    let null = "MAIL FROM:<>\r\nRCPT TO:<r@rcpt.example>\r\n";
    assert_eq!(replies(checks(), client(), null), "250 ok\n250 ok\n");
}

#[test]
fn lists_for_strangers_do_not_concern_relay_clients() {
    let checks = || Checks {
        senders_of_strangers: patterns("sender"),
        recipients_of_strangers: patterns("r@"),
        names_of_strangers: patterns("peer"),
        rejects_relay_tests: true,
        ..Checks::default()
    };
    let input = format!("HELO peer\r\n{}RCPT TO:<a%b@rcpt.example>\r\n", transaction(&["r"]));
    let refused = replies(checks(), client(), &input);
    assert_eq!(refused, format!("250 mx.example\n250 ok\n{NAME}{NAME}"));
    let accepted = replies(checks(), relay(Overrides::default()), &input);
    assert_eq!(accepted, "250 mx.example\n250 ok\n250 ok\n250 ok\n");
    let test = "MAIL FROM:<>\r\nRCPT TO:<a%b@rcpt.example>\r\nRCPT TO:<x!y@rcpt.example>\r\n";
    let no_relaying = "553 we don't relay (#5.7.1)\n";
    assert_eq!(replies(checks(), client(), test), format!("250 ok\n{no_relaying}{no_relaying}"));
}

#[test]
fn null_senders_are_turned_away_where_that_is_wanted() {
    let checks = Checks { rejects_null_senders: true, ..Checks::default() };
    let (replies, _, ending) = converse(checks, client(), "MAIL FROM:<>\r\n");
    assert_eq!(replies, "421 null senders temporarily denied (#4.3.0)\n");
    assert_eq!(ending, Some(Ending::HungUp));
}

#[test]
fn after_too_many_bad_recipients_the_client_is_hung_up_on() {
    let checks = || Checks { recipients: [patterns("^bad"), Patterns::default()], ..Checks::default() };
    let limited = Overrides { bad_recipients: Some(3), ..Overrides::default() };
    let input = transaction(&["bad", "good", "bad"]) + "RSET\r\n" + &transaction(&["bad", "good"]);
    let (replies, _, ending) = converse(checks(), stranger(limited), &input);
    let goodbye = "421 too many invalid addresses, goodbye (#4.3.0)\n";
    let expected = format!("250 ok\n{RECIPIENT}250 ok\n{RECIPIENT}250 flushed\n250 ok\n{RECIPIENT}{goodbye}");
    assert_eq!((replies, ending), (expected, Some(Ending::HungUp)));
    assert_eq!(converse(checks(), client(), &input).2, None);
}

#[test]
fn recipients_beyond_the_tarpit_wait() {
    let checks = Checks { tarpit_count: 2, tarpit_seconds: 5, ..Checks::default() };
    let (replies, pauses, _) = converse(checks, client(), &transaction(&["a", "b", "c", "d"]));
    assert_eq!((replies.lines().count(), pauses), (5, vec![5, 5]));
    let off = Overrides { tarpit_count: Some(0), ..Overrides::default() };
    let checks = Checks { tarpit_count: 2, tarpit_seconds: 5, ..Checks::default() };
    assert_eq!(converse(checks, stranger(off), &transaction(&["a", "b", "c"])).1, []);
    let endless = Overrides { tarpit_count: Some(1), tarpit_seconds: Some(u32::MAX), ..Overrides::default() };
    let (_, pauses, _) = converse(Checks::default(), stranger(endless), &transaction(&["a", "b"]));
    assert_eq!(pauses, [240]);
}

#[test]
fn a_recipient_without_a_mailbox_is_refused_and_one_in_doubt_is_not() {
    let checks = |asks_for_mailboxes| Checks {
        asks_for_mailboxes,
        mailboxes: Some(Mailboxes::new("run/recipients".into(), Default::default())),
        ..Checks::default()
    };
    let input = transaction(&["nobody", "joe", "unsure"]);
    let expected = format!("250 ok\n{MAILBOX}250 ok\n250 ok\n");
    let all = "250 ok\n250 ok\n250 ok\n250 ok\n";
    assert_eq!(replies(checks(When::ForStrangers), client(), &input), expected);
    assert_eq!(replies(checks(When::Never), client(), &input), all);
    assert_eq!(replies(checks(When::ForStrangers), relay(Overrides::default()), &input), all);
    assert_eq!(replies(checks(When::Always), relay(Overrides::default()), &input), expected);
    let started = Overrides { asks_for_mailboxes: Some(When::ForStrangers), ..Overrides::default() };
    assert_eq!(replies(checks(When::Never), stranger(started), &input), expected);
    let guessing = Overrides { bad_recipients: Some(2), ..Overrides::default() };
    let input = transaction(&["n1", "n2", "n3"]);
    assert_eq!(converse(checks(When::ForStrangers), stranger(guessing), &input).2, Some(Ending::HungUp));
}

#[test]
fn the_lists_of_valid_recipients_go_before_the_question() {
    let mut checks = Checks {
        asks_for_mailboxes: When::ForStrangers,
        mailboxes: Some(Mailboxes::new("run/recipients".into(), Default::default())),
        ..Checks::default()
    };
    checks.valid.lines = ["nobody@rcpt.example", "-joe@rcpt.example"].map(|s| s.as_bytes().to_vec()).into();
    let not_valid = "553 sorry, this recipient is not in my validrcptto list (#5.7.1)\n";
    let expected = format!("250 ok\n250 ok\n{not_valid}{MAILBOX}");
    assert_eq!(replies(checks, client(), &transaction(&["nobody", "joe", "nemo"])), expected);
}

#[test]
fn limits_on_recipients_can_be_set_for_a_client() {
    let two = Overrides { recipients: Some(2), ..Overrides::default() };
    let got = replies(Checks::default(), stranger(two), &transaction(&["a", "b", "c"]));
    assert_eq!(got, "250 ok\n250 ok\n250 ok\n452 too many recipients (#4.5.3)\n");
}

#[test]
fn the_greeting_waits_for_strangers() {
    let delayed =
        || Arc::new(Policy { checks: Checks { greet_seconds: 7, ..Checks::default() }, ..policy() });
    assert_eq!(Session::new(delayed(), client()).greet_delay(), Duration::from_secs(7));
    assert_eq!(Session::new(delayed(), relay(Overrides::default())).greet_delay(), Duration::ZERO);
    let dropping = Overrides { drops_early_talkers: Some(true), ..Overrides::default() };
    let mut session = Session::new(delayed(), stranger(dropping));
    assert!(session.talked_early());
    assert_eq!(session.replies(), b"554 SMTP protocol violation\r\n");
    assert_eq!(session.step(b"", 0).1, Action::Close(Ending::HungUp));
    assert!(!Session::new(delayed(), client()).talked_early());
}
