//! forward(1): a message from a .qmail line goes on to other addresses (contract 12).

use crate::environment::Environment;
use os::strerror;
use queue::door::Door;
use std::io::Read;

/// How it ended: the exit code, and what is said on standard error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ending {
    /// 0, 100 or 111.
    pub exit: u8,
    /// With its newline.
    pub text: Vec<u8>,
}

/// Hands the message over with `DTLINE` before it and the sender that `NEWSENDER` names.
pub fn run(recipients: &[Vec<u8>], environment: &Environment, input: &mut dyn Read, door: &Door) -> Ending {
    let Some(sender) = environment.value("NEWSENDER") else { return fatal(100, b"NEWSENDER not set") };
    let Some(delivered_to) = environment.value("DTLINE") else { return fatal(100, b"DTLINE not set") };
    let mut hand_off = match door.open() {
        Ok(hand_off) => hand_off,
        Err(error) => return trouble("unable to fork: ", &error),
    };
    hand_off.write(delivered_to);
    // Dropping the hand-off takes the message back.
    if let Err(error) = std::io::copy(input, &mut hand_off) {
        return trouble("unable to read message: ", &error);
    }
    hand_off.sender(sender);
    for recipient in recipients {
        hand_off.recipient(recipient);
    }
    match hand_off.finish() {
        Ok(accepted) => Ending { exit: 0, text: format!("forward: qp {}\n", accepted.qp).into_bytes() },
        Err(refused) => fatal(if refused.is_permanent() { 100 } else { 111 }, refused.text()),
    }
}

fn trouble(words: &str, error: &std::io::Error) -> Ending {
    fatal(111, [words, strerror::of(error)].concat().as_bytes())
}

fn fatal(exit: u8, text: &[u8]) -> Ending {
    Ending { exit, text: [b"forward: fatal: ", text, b"\n"].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn forward(script: &str, variables: &[(&str, &str)]) -> (Ending, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("qq");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let environment =
            variables.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        let door = Door::new(home.path(), Some("./qq".into()));
        let recipients = [b"a@b".to_vec(), b"c@d".to_vec()];
        (run(&recipients, &environment, &mut &b"body\n"[..], &door), home)
    }

    const SET: [(&str, &str); 2] = [("NEWSENDER", "s@t"), ("DTLINE", "Delivered-To: x\n")];

    #[test]
    fn the_message_goes_on_below_its_delivered_to_line() {
        let (ending, home) = forward("cat >message; cat <&1 >envelope", &SET);
        assert_eq!(ending.exit, 0);
        assert!(ending.text.starts_with(b"forward: qp "), "{ending:?}");
        assert_eq!(std::fs::read(home.path().join("message")).unwrap(), b"Delivered-To: x\nbody\n");
        assert_eq!(std::fs::read(home.path().join("envelope")).unwrap(), b"Fs@t\0Ta@b\0Tc@d\0\0");
    }

    #[test]
    fn refusals_and_missing_variables_have_their_codes() {
        let ending = |script, set: &[(&str, &str)]| {
            let Ending { exit, text } = forward(script, set).0;
            (exit, String::from_utf8(text).unwrap())
        };
        assert_eq!(
            ending("exit 31", &SET),
            (100, "forward: fatal: mail server permanently rejected message (#5.3.0)\n".into())
        );
        assert_eq!(ending("exit 53", &SET).0, 111);
        assert_eq!(ending("exit 0", &SET[1..]), (100, "forward: fatal: NEWSENDER not set\n".into()));
        assert_eq!(ending("exit 0", &SET[..1]), (100, "forward: fatal: DTLINE not set\n".into()));
    }
}
