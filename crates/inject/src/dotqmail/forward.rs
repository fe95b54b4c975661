//! forward(1): a message from a .qmail line goes on to other addresses (contract 12).

use super::Ending;
use crate::environment::Environment;
use queue::door::Door;
use std::io::Read;

/// `address ...`
pub fn run(recipients: &[Vec<u8>], environment: &Environment, input: &mut dyn Read, door: &Door) -> Ending {
    hand_over("forward", "NEWSENDER", recipients, environment, input, door)
}

/// Hands the message over with `DTLINE` before it, for `program`; `sender_variable` names the sender.
pub(super) fn hand_over(
    program: &str,
    sender_variable: &str,
    recipients: &[Vec<u8>],
    environment: &Environment,
    input: &mut dyn Read,
    door: &Door,
) -> Ending {
    let Some(sender) = environment.value(sender_variable) else {
        return Ending::fatal(program, 100, format!("{sender_variable} not set").as_bytes());
    };
    send_on(program, sender, recipients, environment, input, door)
}

/// As [`hand_over`], from a given sender.
pub(crate) fn send_on(
    program: &str,
    sender: &[u8],
    recipients: &[Vec<u8>],
    environment: &Environment,
    input: &mut dyn Read,
    door: &Door,
) -> Ending {
    let Some(delivered_to) = environment.value("DTLINE") else {
        return Ending::fatal(program, 100, b"DTLINE not set");
    };
    let mut hand_off = match door.open() {
        Ok(hand_off) => hand_off,
        Err(error) => return Ending::trouble(program, "unable to fork", &error),
    };
    hand_off.write(delivered_to);
    // Dropping the hand-off takes the message back.
    if let Err(error) = std::io::copy(input, &mut hand_off) {
        return Ending::trouble(program, "unable to read message", &error);
    }
    hand_off.sender(sender);
    for recipient in recipients {
        hand_off.recipient(recipient);
    }
    match hand_off.finish() {
        Ok(accepted) => Ending::saying(0, format!("{program}: qp {}", accepted.qp).as_bytes()),
        Err(refused) => {
            Ending::fatal(program, if refused.is_permanent() { 100 } else { 111 }, refused.text())
        }
    }
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
