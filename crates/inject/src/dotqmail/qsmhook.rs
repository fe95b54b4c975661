//! qsmhook(1): runs a delivery program that was made for sendmail's local mailer, from a `.qmail` line (contract 12).

use super::Ending;
use super::feed::Feed;
use crate::environment::Environment;
use contracts::getopt::{Opt, Options, complaint};
use std::io::Read;

const NAME: &str = "qsmhook";

/// `[-DFMmslnP] [-x prefix] program [ arg ... ]`. In the arguments `%g` is the sender, `%h` the host, `%u` the local part.
pub fn run(arguments: &[Vec<u8>], environment: &Environment, input: &mut dyn Read) -> Ending {
    let usage = |complaint: Vec<u8>| {
        let Ending { exit, text } =
            Ending::usage(NAME, "qsmhook [ -DFlMmnPs ] [ -x prefix ] program [ arg ... ]");
        Ending { exit, text: [complaint, text].concat() }
    };
    let (mut with_from, mut with_return_path, mut with_delivered_to) = (true, false, false);
    let mut prefix = Vec::new();
    let mut options = Options::new(arguments, b"DFlMmnPsx:");
    for opt in options.by_ref() {
        match opt {
            Opt::Flag(b'l') => with_delivered_to = true,
            Opt::Flag(b'n') => with_from = false,
            Opt::Flag(b'P') => with_return_path = true,
            // These say which fields sendmail adds by itself.
            Opt::Flag(_) => {}
            Opt::Value(_, value) => prefix = value,
            bad => return usage(complaint(NAME.as_bytes(), &bad).unwrap_or_default()),
        }
    }
    let command = options.rest();
    if command.is_empty() {
        return usage(Vec::new());
    }
    let [Some(sender), Some(host), Some(local)] =
        ["SENDER", "HOST", "LOCAL"].map(|name| environment.value(name))
    else {
        return Ending::fatal(NAME, 100, b"SENDER, HOST and LOCAL must be set");
    };
    let (head, rest) = local.split_at_checked(prefix.len()).unwrap_or((local, b""));
    let local = if head.eq_ignore_ascii_case(&prefix) { rest } else { local };
    let Some(command) =
        command.iter().map(|argument| filled(argument, sender, host, local)).collect::<Option<Vec<_>>>()
    else {
        return usage(b"qsmhook: in arguments there are %g, %h, %u and %%\n".to_vec());
    };
    let line = |wanted: bool, name| environment.value(name).filter(|_| wanted).unwrap_or_default();
    let head =
        [line(with_from, "UFLINE"), line(with_return_path, "RPLINE"), line(with_delivered_to, "DTLINE")]
            .concat();
    Feed { feeder: NAME, head: &head, missing_is_permanent: false, must_read: false }.run(&command, input)
}

/// `None`: a percent sign before something else.
fn filled(argument: &[u8], sender: &[u8], host: &[u8], local: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut bytes = argument.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'%' => text.extend_from_slice(match bytes.next()? {
                b'g' => sender,
                b'h' => host,
                b'u' => local,
                b'%' => b"%",
                _ => return None,
            }),
            byte => text.push(byte),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hooked(arguments: &[&str]) -> (u8, String) {
        let environment = [("SENDER", "s@t"), ("HOST", "h.x"), ("LOCAL", "Pre-joe"), ("UFLINE", "From s\n")]
            .into_iter()
            .chain([("RPLINE", "Return-Path: <s@t>\n"), ("DTLINE", "Delivered-To: joe@h.x\n")])
            .map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()))
            .collect();
        let seen = tempfile::NamedTempFile::new().unwrap();
        let arguments: Vec<Vec<u8>> =
            arguments.iter().map(|a| a.replace("SEEN", seen.path().to_str().unwrap()).into_bytes()).collect();
        let ending = run(&arguments, &environment, &mut &b"body\n"[..]);
        (ending.exit, std::fs::read_to_string(seen.path()).unwrap())
    }

    #[test]
    fn lines_are_chosen_and_arguments_filled_in() {
        let shell = ["sh", "-c", "{ echo $0 $1; cat; } >SEEN; exit 7", "%u%%", "%g@%h"];
        let with = |options: &[&'static str]| hooked(&[options, &shell].concat());
        assert_eq!(with(&["-ms"]), (7, "Pre-joe% s@t@h.x\nFrom s\nbody\n".to_owned()));
        assert_eq!(
            with(&["-nlP", "-xpre-"]),
            (7, "joe% s@t@h.x\nReturn-Path: <s@t>\nDelivered-To: joe@h.x\nbody\n".to_owned())
        );
        for wrong in [&["-z", "true"][..], &[], &["true", "%z"], &["true", "%"]] {
            assert_eq!(hooked(wrong).0, 100, "{wrong:?}");
        }
        assert_eq!(hooked(&["/no/such/program"]).0, 111);
    }

    proptest! {
        #[test]
        fn any_argument_can_be_filled_in(argument: Vec<u8>) {
            if let Some(text) = filled(&argument, b"", b"", b"") {
                prop_assert!(text.len() <= argument.len());
            }
        }
    }
}
