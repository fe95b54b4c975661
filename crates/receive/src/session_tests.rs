//! Conversations with the machine, as scripts and as properties.

use crate::checks::Checks;
use crate::client::Client;
use crate::limits::Limits;
use crate::policy::{Extensions, Policy};
use crate::rcpthosts::RecipientHosts;
use crate::session::{Action, Ending, Session};
use crate::verdict::Verdict;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn policy() -> Policy {
    Policy {
        greeting: b"mx.example".to_vec(),
        local_ip_host: Some(b"mx.example".to_vec()),
        own_addresses: vec!["127.0.0.1".parse().unwrap()],
        timeout: Duration::from_secs(1200),
        recipient_hosts: RecipientHosts::Listed { hosts: [b"rcpt.example".to_vec()].into(), more: None },
        bad_senders: [b"bad@x.example".to_vec(), b"@evil.example".to_vec()].into(),
        databytes: 0,
        extensions: Extensions::Classic,
        notes_refusals: false,
        checks: Checks::default(),
        limits: Limits::default(),
    }
}

pub(crate) fn client() -> Client {
    Client {
        remote_ip: b"203.0.113.5".to_vec(),
        remote_host: b"peer.example".to_vec(),
        local: b"mx.example".to_vec(),
        ..Client::default()
    }
}

/// What came of a conversation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Outcome {
    replies: String,
    /// Message without its Received lines, and envelope, of each hand-off that was finished.
    queued: Vec<(String, String)>,
    abandoned: u32,
    ending: Option<Ending>,
}

/// Owner of a session: the driver without a socket. The door says `verdict` to everything.
struct Desk {
    session: Session,
    verdict: Verdict,
    handed_over: Vec<u8>,
    outcome: Outcome,
}

impl Desk {
    fn new(policy: Policy, client: Client) -> Self {
        let session = Session::new(Arc::new(policy), client);
        let verdict = Verdict::Queued { qp: 7 };
        Self { session, verdict, handed_over: Vec::new(), outcome: Outcome::default() }
    }

    /// Feeds bytes, cut into pieces of the given lengths and the rest.
    fn feed(&mut self, bytes: &[u8], cuts: &[usize]) {
        let (mut waiting, mut rest) = (Vec::new(), bytes);
        for &cut in cuts.iter().chain([&usize::MAX]) {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            waiting.extend_from_slice(now);
            rest = later;
            while self.outcome.ending.is_none() {
                let (used, action) = self.session.step(&waiting, 0);
                waiting.drain(..used);
                if action == Action::Read {
                    break;
                }
                self.carry_out(action);
            }
        }
        self.outcome.replies += &String::from_utf8_lossy(self.session.replies());
        self.session.replies_sent();
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Read => {}
            Action::OpenDoor => {
                self.handed_over.clear();
                self.session.door_opened(true);
            }
            Action::Forward => {
                self.handed_over.extend_from_slice(self.session.message());
                self.session.forwarded();
            }
            Action::Finish => {
                self.handed_over.extend_from_slice(self.session.message());
                let message = String::from_utf8_lossy(&self.handed_over).into_owned();
                let body = message.splitn(3, '\n').nth(2).unwrap().to_owned();
                let envelope = String::from_utf8_lossy(self.session.envelope()).into_owned();
                self.outcome.queued.push((body, envelope));
                self.session.decided(&self.verdict, 0);
            }
            Action::Abandon => self.outcome.abandoned += 1,
            Action::Ask | Action::Pause(_) => panic!("{action:?}"),
            Action::Close(ending) => self.outcome.ending = Some(ending),
        }
    }
}

/// The replies to `input`, without the greeting.
fn replies(policy: Policy, client: Client, input: &str) -> String {
    let mut desk = Desk::new(policy, client);
    desk.feed(input.as_bytes(), &[]);
    desk.outcome.replies.strip_prefix("220 mx.example ESMTP\r\n").unwrap().replace("\r\n", "\n")
}

/// A transaction up to and with DATA.
const OPENED: &str = "MAIL FROM:<s@x>\r\nRCPT TO:<r@rcpt.example>\r\nDATA\r\n";
const OPENED_REPLIES: &str = "250 ok\n250 ok\n354 go ahead\n";
const BARE: &str = "550 message contains bare CR or LF (#5.5.2)\n";

#[test]
fn a_message_comes_in() {
    let mut desk = Desk::new(policy(), client());
    desk.feed(b"HELO peer.example\r\nMAIL FROM:<s@x>\r\nRCPT TO:<r@rcpt.example>\r\nDATA\r\n", &[]);
    desk.feed(b"Subject: x\r\n\r\n..b\r\n.\r\nQUIT\r\n", &[]);
    assert_eq!(
        desk.outcome,
        Outcome {
            replies:
                "220 mx.example ESMTP\r\n250 mx.example\r\n250 ok\r\n250 ok\r\n354 go ahead\r\n250 ok 0 qp \
                      7\r\n221 mx.example\r\n"
                    .into(),
            queued: vec![("Subject: x\n\n.b\n".into(), "Fs@x\0Tr@rcpt.example\0\0".into())],
            abandoned: 0,
            ending: Some(Ending::Quit),
        }
    );
}

#[test]
fn the_order_of_commands_is_kept() {
    let table = [
        ("RCPT TO:<r@rcpt.example>\r\nDATA\r\n", "503 MAIL first (#5.5.1)\n503 MAIL first (#5.5.1)\n"),
        ("MAIL FROM:<>\r\nDATA\r\n", "250 ok\n503 RCPT first (#5.5.1)\n"),
        ("MAIL FROM:<>\r\nRSET\r\nDATA\r\n", "250 ok\n250 flushed\n503 MAIL first (#5.5.1)\n"),
        ("MAIL FROM:<>\r\nHELO x\r\nDATA\r\n", "250 ok\n250 mx.example\n503 MAIL first (#5.5.1)\n"),
        (
            "NOOP\nHELP\r\nVRFY x\r\nEXPN\r\n",
            "250 ok\n214 notqmail home page: https://notqmail.org\n252 send some mail, i'll try my best\n502 unimplemented (#5.5.1)\n",
        ),
    ];
    for (input, expected) in table {
        assert_eq!(replies(policy(), client(), input), expected, "{input}");
    }
}

#[test]
fn senders_and_recipients_are_judged_at_rcpt() {
    let relay_denied = "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)\n";
    let bad_sender = "553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)\n";
    let table = [
        ("s@x", "r@Rcpt.Example", "250 ok\n"),
        ("s@x", "r@a.rcpt.example", relay_denied),
        ("s@x", "r", "250 ok\n"),
        ("s@x", "r@", relay_denied),
        ("s@x", "r@[127.0.0.1]", relay_denied),
        ("BAD@x.example", "r@rcpt.example", bad_sender),
        ("any@evil.example", "r@other.example", bad_sender),
        ("any@sub.evil.example", "r@rcpt.example", "250 ok\n"),
    ];
    for (sender, recipient, expected) in table {
        let input = format!("MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\n");
        assert_eq!(replies(policy(), client(), &input), format!("250 ok\n{expected}"), "{input}");
    }
}

#[test]
fn a_relay_client_sends_anywhere_and_its_suffix_is_appended() {
    let client = Client { relay: Some(b"@relay.example".to_vec()), ..client() };
    let mut desk = Desk::new(policy(), client);
    desk.feed(b"MAIL FROM:<s@[127.0.0.1]>\r\nRCPT TO:<r@other.example>\r\nDATA\r\n.\r\n", &[]);
    assert_eq!(desk.outcome.queued[0].1, "Fs@mx.example\0Tr@other.example@relay.example\0\0");
}

#[test]
fn arguments_with_control_bytes_and_long_lines_are_refused() {
    let forbidden = "501 control byte in argument (#5.5.4)\n";
    for argument in [
        "MAIL FROM:<a\0b@x>",
        "MAIL FROM:<a@x>\rRCPT",
        "EHLO a\0b",
        "MAIL FROM:<a\x1b[2J@x>",
        "RCPT TO:<r@rcpt.example\0>",
    ] {
        assert_eq!(replies(policy(), client(), &format!("{argument}\r\n")), forbidden, "{argument:?}");
    }
    let long = format!("NOOP {}\r\nNOOP\r\n", "x".repeat(5000));
    assert_eq!(replies(policy(), client(), &long), "500 line too long (#5.5.2)\n250 ok\n");
    let address = format!("MAIL FROM:<{}@x>\r\n", "l".repeat(898));
    assert_eq!(replies(policy(), client(), &address), "555 syntax error (#5.5.4)\n");
}

#[test]
fn flawed_messages_are_refused_for_good() {
    let many = |line: &str, n| line.repeat(n) + "\r\nbody\r\n.\r\nQUIT\r\n";
    let table: &[(String, &str, Ending)] = &[
        (
            "a\rb\r\n.\r\nQUIT\r\n".into(),
            "550 message contains bare CR or LF (#5.5.2)\n221 mx.example\n",
            Ending::Quit,
        ),
        (
            "a\nb\r\n.\r\nQUIT\r\n".into(),
            "550 message contains bare CR or LF (#5.5.2)\n221 mx.example\n",
            Ending::Quit,
        ),
        ("a\n.\nQUIT\n".into(), BARE, Ending::HungUpInMessage),
        ("a\r\n.\nMAIL FROM:<evil@x>\r\n".into(), BARE, Ending::HungUpInMessage),
        (
            many("Received: x\r\n", 100),
            "554 too many hops, this message is looping (#5.4.6)\n221 mx.example\n",
            Ending::Quit,
        ),
        (
            many("x\r\n", 5000),
            "552 sorry, that message size exceeds my databytes limit (#5.3.4)\n221 mx.example\n",
            Ending::Quit,
        ),
    ];
    for (data, expected, ending) in table {
        let mut desk = Desk::new(Policy { databytes: 9000, ..policy() }, client());
        desk.feed([OPENED, data].concat().as_bytes(), &[]);
        let got = desk.outcome.replies.replace("\r\n", "\n");
        assert_eq!(got, format!("220 mx.example ESMTP\n{OPENED_REPLIES}{expected}"));
        assert_eq!((desk.outcome.queued.len(), desk.outcome.ending), (0, Some(*ending)));
        assert!(desk.outcome.abandoned >= 1);
    }
}

#[test]
fn ninety_nine_hops_and_the_exact_size_pass() {
    let hops = "Received: x\r\n".repeat(99) + "\r\n.\r\n";
    let sized = format!("{}\r\n.\r\n", "x".repeat(8999));
    for data in [hops, sized] {
        let got = replies(Policy { databytes: 9000, ..policy() }, client(), &[OPENED, &data].concat());
        assert_eq!(got, format!("{OPENED_REPLIES}250 ok 0 qp 7\n"));
    }
}

#[test]
fn a_declared_size_above_the_limit_is_refused_at_mail() {
    let limited = || Policy { databytes: 100, ..policy() };
    let too_large = "552 sorry, that message size exceeds my databytes limit (#5.3.4)\n";
    assert_eq!(replies(limited(), client(), "MAIL FROM:<s@x> SIZE=101\r\n"), too_large);
    assert_eq!(replies(limited(), client(), "MAIL FROM:<s@x> SIZE=100\r\n"), "250 ok\n");
    let exempt = Client { databytes: Some(0), ..client() };
    assert_eq!(replies(limited(), exempt, "MAIL FROM:<s@x> SIZE=101\r\n"), "250 ok\n");
}

#[test]
fn the_door_s_refusal_is_told_and_the_session_goes_on() {
    let mut desk = Desk::new(policy(), client());
    desk.verdict = Verdict::from_exit(53, 0, b"");
    desk.feed([OPENED, "x\r\n.\r\nMAIL FROM:<s@x>\r\n"].concat().as_bytes(), &[]);
    assert!(desk.outcome.replies.ends_with("451 qq write error or disk full (#4.3.0)\r\n250 ok\r\n"));
}

#[test]
fn ehlo_offers_what_the_policy_says() {
    let full = |databytes| Policy { extensions: Extensions::Full, databytes, ..policy() };
    let classic = |databytes| Policy { databytes, ..policy() };
    let table = [
        (classic(0), "250-mx.example\n250-PIPELINING\n250 8BITMIME\n250 ok\n"),
        (classic(9), "250-mx.example\n250-PIPELINING\n250-8BITMIME\n250 SIZE 9\n250 ok\n"),
        (
            full(9),
            "250-mx.example\n250-PIPELINING\n250-8BITMIME\n250-SIZE 9\n250 ENHANCEDSTATUSCODES\n250 2.0.0 ok\n",
        ),
    ];
    for (policy, expected) in table {
        assert_eq!(replies(policy, client(), "EHLO a\r\nNOOP\r\n"), expected);
    }
    assert_eq!(replies(full(0), client(), "EHLO a\r\nHELO a\r\nNOOP\r\n").lines().last(), Some("250 ok"));
}

#[test]
fn enough_is_enough() {
    let few = Limits { errors: 3, recipients: 2, ..Limits::default() };
    let policy = || Policy { limits: few, ..policy() };
    let errors = replies(policy(), client(), &"X\r\n".repeat(9));
    assert_eq!(errors, "502 unimplemented (#5.5.1)\n".repeat(3) + "421 too many errors (#4.7.0)\n");
    let rcpt = "RCPT TO:<r@rcpt.example>\r\n".repeat(3);
    let recipients = replies(policy(), client(), &format!("MAIL FROM:<>\r\n{rcpt}"));
    assert_eq!(recipients, "250 ok\n".repeat(3) + "452 too many recipients (#4.5.3)\n");
    let idle = replies(policy(), client(), &"NOOP\r\n".repeat(2000));
    assert!(idle.ends_with("250 ok\n421 too many commands (#4.7.0)\n"));
    assert_eq!(idle.lines().count(), 1001);
}

#[test]
fn refusals_are_noted_where_the_log_wants_them() {
    let mut desk = Desk::new(Policy { notes_refusals: true, ..policy() }, client());
    desk.verdict = Verdict::refused("Zno room (#4.3.1)");
    desk.feed([OPENED, "x\r\n.\r\nRCPT TO:<\x07@y>\r\nNOOP\r\n"].concat().as_bytes(), &[]);
    assert_eq!(
        desk.session.take_notes(),
        [
            "refused \"message\": 451 no room (#4.3.1)",
            "refused \"RCPT TO:<\\x07@y>\": 503 MAIL first (#5.5.1)"
        ]
    );
    assert_eq!(desk.session.take_notes(), [""; 0]);
}

#[test]
fn a_service_that_closes_down_lets_transactions_finish() {
    let mut desk = Desk::new(policy(), client());
    desk.feed(b"MAIL FROM:<s@x>\r\n", &[]);
    assert!(!desk.session.is_between_transactions());
    desk.feed(b"RSET\r\n", &[]);
    assert!(desk.session.is_between_transactions());
    desk.session.closing_down();
    assert_eq!(desk.session.step(b"NOOP\r\n", 0), (0, Action::Close(Ending::HungUp)));
}

/// Pieces from which hostile and honest sessions are made.
fn pieces() -> impl Strategy<Value = Vec<String>> {
    let piece = prop_oneof![
        Just("\r"),
        Just("\n"),
        Just("."),
        Just("\r\n"),
        Just("\r\n.\r\n"),
        Just("\n.\n"),
        Just("\n.\r\n"),
        Just("\r\n.\n"),
        Just("\r.\r\n"),
        Just("x"),
        Just("\0"),
        Just("MAIL FROM:<evil@x>\r\n"),
        Just("RCPT TO:<r@rcpt.example>\r\n"),
        Just("DATA\r\n"),
        Just("RSET\r\n"),
    ];
    proptest::collection::vec(piece.prop_map(str::to_owned), 0..25)
}

proptest! {
    #[test]
    fn how_bytes_are_cut_changes_nothing(
        pieces in pieces(),
        cuts in proptest::collection::vec(0usize..9, 0..40),
    ) {
        let input = [OPENED, &pieces.concat()].concat();
        let run = |cuts: &[usize]| {
            let mut desk = Desk::new(policy(), client());
            desk.feed(input.as_bytes(), cuts);
            // How often a hopeless hand-off is given up depends on when its flaw is noticed.
            desk.outcome.abandoned = desk.outcome.abandoned.min(1);
            desk.outcome
        };
        prop_assert_eq!(run(&cuts), run(&[]));
    }

    #[test]
    fn nothing_inside_a_message_becomes_a_command(pieces in pieces()) {
        let body = pieces.concat();
        let wire = format!("{body}\r\n.\r\n");
        // The true end is the first one; what a sender puts before it is all his message.
        prop_assume!(format!("\r\n{wire}").find("\r\n.\r\n") == Some(body.len() + 2));
        let mut desk = Desk::new(policy(), client());
        desk.feed([OPENED, &wire].concat().as_bytes(), &[]);
        let clean = !body.replace("\r\n", "").contains(['\r', '\n']);
        prop_assert_eq!(desk.outcome.queued.len(), usize::from(clean));
        for (message, envelope) in &desk.outcome.queued {
            prop_assert_eq!(envelope, "Fs@x\0Tr@rcpt.example\0\0");
            prop_assert!(message.ends_with('\n') && !message.contains('\r'));
        }
        let answers = desk.outcome.replies.lines().count();
        prop_assert_eq!(answers, 5, "greeting, MAIL, RCPT, DATA, and one for the message");
    }

    #[test]
    fn any_bytes_at_all_are_survived(input in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut desk = Desk::new(policy(), client());
        desk.feed(&input, &[]);
        prop_assert!(desk.outcome.queued.is_empty());
    }
}
