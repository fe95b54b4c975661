//! Scripts: what the server says, what we say, what comes of it.

use super::*;
use proptest::prelude::*;

fn envelope(recipients: usize) -> Envelope {
    Envelope {
        sender: b"s@x".to_vec(),
        recipients: (0..recipients).map(|n| format!("r{n}@y").into_bytes()).collect(),
        size_bytes: Some(42),
        eight_bit: true,
    }
}

/// Plays `replies` one by one, each when the session waits; collects all output. A missing reply is
/// the loss of the connection.
fn play(session: &mut Session, recipients: usize, replies: &[&str]) -> (String, Outcome) {
    let mut replies = replies.iter();
    let mut said = String::new();
    for _ in 0..1000 {
        said.push_str(&String::from_utf8(session.take_output()).unwrap());
        match session.step() {
            Step::Ready => session.begin(&envelope(recipients)),
            Step::SendBody => {
                said.push_str("<message>");
                session.body_sent();
            }
            Step::Ended => return (said, session.take_outcome().unwrap()),
            Step::Read => match replies.next() {
                Some(reply) => session.receive(reply.as_bytes()),
                None => session.lose(),
            },
        }
    }
    panic!("the session does not end: {said}");
}

const PLAIN: [&str; 3] = ["220 hi\r\n", "500 what\r\n", "250 hello\r\n"];
const PIPED: [&str; 2] = ["220 hi\r\n", "250-me\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n"];

fn with<'a>(start: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [start, rest].concat()
}

fn marks(outcome: &Outcome) -> String {
    let recipient = |word: &Recipient| match word {
        Recipient::Accepted => 'r',
        Recipient::Refused(reply) if reply.is_permanent() => 'h',
        Recipient::Refused(_) => 's',
    };
    let mut marks: String = outcome.recipients.iter().map(recipient).collect();
    marks.push_str(match &outcome.verdict {
        Verdict::GreetingFailed(_) => " greeting",
        Verdict::NameRejected(_) => " name",
        Verdict::SenderRejected(reply) if reply.is_permanent() => " D sender",
        Verdict::SenderRejected(_) => " Z sender",
        Verdict::NoRecipient => " D nobody",
        Verdict::DataFailed(reply) if reply.is_permanent() => " D data",
        Verdict::DataFailed(_) => " Z data",
        Verdict::MessageFailed(reply) if reply.is_permanent() => " D message",
        Verdict::MessageFailed(_) => " Z message",
        Verdict::Accepted(_) => " K",
        Verdict::Died { possible_duplicate: false } => " died",
        Verdict::Died { possible_duplicate: true } => " died twice?",
        Verdict::Unreadable => " unreadable",
    });
    marks
}

#[test]
fn without_extensions_the_dialogue_is_that_of_qmail_remote() {
    let mut session = Session::new(b"me", Introduction::Extended);
    let (said, outcome) = play(
        &mut session,
        2,
        &with(&PLAIN, &["250 ok\r\n", "250 ok\r\n", "550 no\r\n", "354 go\r\n", "250 q\r\n"]),
    );
    assert_eq!(
        said,
        "EHLO me\r\nHELO me\r\nMAIL FROM:<s@x>\r\nRCPT TO:<r0@y>\r\nRCPT TO:<r1@y>\r\nDATA\r\n<message>"
    );
    assert_eq!(marks(&outcome), "rh K");
    assert!(session.is_reusable());
}

#[test]
fn offered_extensions_are_used() {
    let mut session = Session::new(b"me", Introduction::Extended);
    let (said, outcome) =
        play(&mut session, 1, &with(&PIPED, &["250 ok\r\n250 ok\r\n354 go\r\n", "250 q\r\n"]));
    assert_eq!(
        said,
        "EHLO me\r\nMAIL FROM:<s@x> SIZE=42 BODY=8BITMIME\r\nRCPT TO:<r0@y>\r\nDATA\r\n<message>"
    );
    assert_eq!(marks(&outcome), "r K");
    // The next message needs neither greeting nor RSET.
    let (said, outcome) = play(&mut session, 1, &["250 ok\r\n250 ok\r\n354 go\r\n", "451 q\r\n"]);
    assert!(said.starts_with("MAIL"), "{said}");
    assert_eq!(marks(&outcome), "r Z message");
    assert!(session.is_reusable());
}

#[test]
fn every_refusal_has_its_result_with_and_without_pipelining() {
    // Two recipients; replies to MAIL, RCPT, RCPT, DATA, message.
    for (replies, want) in [
        (["250", "250", "250", "354", "250"], "rr K"),
        (["250", "250", "450", "354", "250"], "rs K"),
        (["250", "550", "251", "354", "250"], "hr K"),
        (["550", "503", "503", "503", ""], " D sender"),
        (["451", "503", "503", "554", ""], " Z sender"),
        (["354", "503", "503", "554", ""], " Z sender"),
        (["250", "550", "450", "554", ""], "hs D nobody"),
        (["250", "250", "550", "554", ""], "rh D data"),
        (["250", "250", "250", "250", ""], "rr Z data"),
        (["250", "250", "250", "354", "354"], "rr Z message"),
        (["250", "250", "250", "354", "999"], "rr Z message"),
        (["250", "250", "250", "354", "552"], "rr D message"),
        (["250", "250", "250", "354", ""], "rr died twice?"),
        (["250", "250", "250", "", ""], "rr died"),
        (["250", "250", "", "", ""], "r died"),
        (["250", "250", "421", "", ""], "rs died"),
        (["250", "250", "huh", "", ""], "rs died"),
    ] {
        let lines: Vec<String> =
            replies.iter().filter(|code| !code.is_empty()).map(|code| format!("{code} x\r\n")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for start in [&PLAIN[..], &PIPED[..]] {
            // Without pipelining a refused command ends the transaction, and later replies never come.
            let outcome = play(&mut Session::new(b"me", Introduction::Extended), 2, &with(start, &lines)).1;
            assert_eq!(marks(&outcome), want, "{replies:?} {start:?}");
        }
    }
}

#[test]
fn a_message_for_nobody_is_never_sent() {
    // The server answers DATA with 354 although no recipient is left.
    for (replies, want) in [("550 no\r\n354 go\r\n", "h D nobody"), ("450 no\r\n354 go\r\n", "s D nobody")] {
        let mut session = Session::new(b"me", Introduction::Extended);
        let reply = format!("250 ok\r\n{replies}");
        let (said, outcome) = play(&mut session, 1, &with(&PIPED, &[&reply]));
        assert!(said.ends_with("DATA\r\n"), "{said}");
        assert_eq!(marks(&outcome), want);
        assert!(!session.is_reusable() && !session.quit());
    }
}

#[test]
fn a_failed_transaction_is_reset_before_the_next() {
    for start in [&PLAIN[..], &PIPED[..]] {
        let mut session = Session::new(b"me", Introduction::Extended);
        let failed = play(&mut session, 1, &with(start, &["250 ok\r\n", "550 no\r\n", "554 none\r\n"])).1;
        assert_eq!(marks(&failed), "h D nobody");
        assert!(session.is_reusable());
        let (said, outcome) =
            play(&mut session, 1, &["250 reset\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 q\r\n"]);
        assert!(said.starts_with("RSET\r\nMAIL"), "{said}");
        assert_eq!(marks(&outcome), "r K");
    }
}

#[test]
fn greetings_and_names_can_be_refused() {
    for (replies, want, another) in [
        (vec!["554 no\r\n"], " greeting", true),
        (vec!["421 busy\r\n"], " greeting", true),
        (vec!["250 odd\r\n"], " greeting", true),
        (vec!["220 hi\r\n", "421 busy\r\n"], " name", true),
        (vec!["220 hi\r\n", "502 x\r\n", "299 x\r\n"], " name", true),
        (vec!["220 hi\r\n"], " died", true),
        (vec![], " died", true),
    ] {
        let outcome = play(&mut Session::new(b"me", Introduction::Extended), 1, &replies).1;
        assert_eq!(marks(&outcome), want, "{replies:?}");
        assert_eq!(outcome.permits_another_address(), another);
    }
}

#[test]
fn a_server_that_hangs_up_on_ehlo_is_known_and_can_be_told_helo() {
    let mut session = Session::new(b"me", Introduction::Extended);
    play(&mut session, 1, &["220 hi\r\n"]);
    assert!(session.was_lost_at_ehlo());
    for replies in [&["554 no\r\n"][..], &[], &["220 hi\r\n", "2"], &["220 hi\r\n", "502 x\r\n"]] {
        let mut session = Session::new(b"me", Introduction::Extended);
        play(&mut session, 1, replies);
        assert!(!session.was_lost_at_ehlo(), "{replies:?}");
    }
    let mut session = Session::new(b"me", Introduction::Plain);
    let (said, outcome) = play(
        &mut session,
        1,
        &["220 hi\r\n", "250 me\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 q\r\n"],
    );
    assert!(said.starts_with("HELO me\r\nMAIL"), "{said}");
    assert_eq!(marks(&outcome), "r K");
}

#[test]
fn a_server_that_goes_away_lets_another_have_the_message() {
    for (replies, another) in [
        (vec!["421 x\r\n"], true),
        (vec!["250 x\r\n", "421 x\r\n"], true),
        (vec!["250 x\r\n", "250 x\r\n", "421 x\r\n"], true),
        (vec!["250 x\r\n", "250 x\r\n", "354 x\r\n", "421 x\r\n"], false),
        (vec!["250 x\r\n", "450 x\r\n"], false),
        (vec!["550 x\r\n"], false),
        (vec!["250 x\r\n", "250 x\r\n", "354 x\r\n"], false),
    ] {
        let outcome = play(&mut Session::new(b"me", Introduction::Extended), 1, &with(&PLAIN, &replies)).1;
        assert_eq!(outcome.permits_another_address(), another, "{replies:?}");
    }
}

#[test]
fn words_out_of_turn_end_the_reuse_of_a_connection() {
    let mut session = Session::new(b"me", Introduction::Extended);
    play(&mut session, 1, &with(&PIPED, &["250 a\r\n250 b\r\n354 c\r\n", "250 d\r\n421 idle too long\r\n"]));
    assert!(!session.is_reusable());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Whatever a server says in whatever pieces, the session ends, and a recipient that it never
    /// accepted in this transaction is never called delivered.
    #[test]
    fn any_server_comes_to_an_end(
        codes in proptest::collection::vec(prop_oneof![
            6 => Just("250 ok\r\n"), 2 => Just("354 go\r\n"), 1 => Just("220 hi\r\n"), 1 => Just("421 bye\r\n"),
            1 => Just("550 no\r\n"), 1 => Just("450 no\r\n"), 1 => Just("250-PIPELINING\r\n250 x\r\n"),
            1 => Just("250-me\r\n250 PIPELINING\r\n"), 1 => Just("garbage\r\n"), 1 => Just("2"),
        ], 0..14),
        recipients in 1usize..5,
    ) {
        let all = with(&["220 hi\r\n"], &codes);
        let (said, outcome) = play(&mut Session::new(b"me", Introduction::Extended), recipients, &all);
        prop_assert!(outcome.recipients.len() <= recipients);
        if matches!(outcome.verdict, Verdict::Accepted(_)) {
            prop_assert!(outcome.recipients.len() == recipients);
            prop_assert!(outcome.recipients.contains(&Recipient::Accepted));
            prop_assert!(said.contains("<message>"));
        }
        if matches!(outcome.verdict, Verdict::NoRecipient) {
            prop_assert!(!said.contains("<message>"));
        }
    }
}
