//! sendmail(8): the command line that other software knows, turned into one for qmail-inject (contract 6.4).
//!
//! Also `mailq` and `newaliases`, by the name it is called by.

use crate::environment::Environment;
use contracts::getopt::{Opt, Options, base_name, complaint};

/// What to become.
#[derive(Debug)]
pub struct Plan {
    /// Program below the home directory.
    pub program: &'static str,
    /// Its arguments, without argv\[0\].
    pub arguments: Vec<Vec<u8>>,
    /// Its complete environment.
    pub environment: Environment,
    /// What to say if it cannot be run.
    pub failure: &'static str,
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Outcome {
    /// Become another program.
    Become(Plan),
    /// Say this and exit 100.
    Complain(Vec<u8>),
    /// There is nothing to do; exit 0.
    Nothing,
}

const USAGE: &[u8] =
    b"sendmail: usage: sendmail [ -t ] [ -fsender ] [ -Fname ] [ -bp ] [ -bs ] [ arg ... ]\n";
const NEWALIASES: &[u8] = b"sendmail: fatal: please use fastforward/newaliases instead\n";

/// Reads the command line. `program` is argv\[0\].
pub fn plan(program: &[u8], arguments: &[Vec<u8>], mut environment: Environment) -> Outcome {
    let mut options = Options::new(arguments, b"vimte:f:p:o:B:F:EJxb:N:R:V:O:Gq");
    let (mut header, mut run_queue, mut sender, mut name) = (false, false, None, None);
    while let Some(opt) = options.next() {
        match opt {
            Opt::Flag(b't') => header = true,
            Opt::Value(b'f', address) => sender = Some(address),
            Opt::Value(b'F', text) => name = Some(text),
            Opt::Value(b'b', mode) => match mode.first() {
                Some(b'm') => {}
                Some(b'p') => return Outcome::Become(mailq(environment)),
                Some(b's') => return Outcome::Become(smtpd(environment)),
                _ => return Outcome::Complain(USAGE.to_vec()),
            },
            Opt::Flag(b'E' | b'J') => options.skip_optional_value(),
            Opt::Flag(b'q') => {
                options.skip_optional_value();
                run_queue = true;
            }
            // qmail has one delivery mode, one error mode, no notifications, and no dot that ends a message.
            Opt::Flag(_) | Opt::Value(..) => {}
            Opt::Illegal(_) | Opt::MissingValue(_) => {
                let complaint = complaint(program, &opt).unwrap_or_default();
                return Outcome::Complain([complaint.as_slice(), USAGE].concat());
            }
        }
    }
    match base_name(program) {
        b"mailq" => return Outcome::Become(mailq(environment)),
        b"newaliases" => return Outcome::Complain(NEWALIASES.to_vec()),
        _ => {}
    }
    let recipients = options.rest();
    if run_queue && !header && recipients.is_empty() {
        // "Run the queue" brings no message, and our queue runs by itself.
        return Outcome::Nothing;
    }
    let mut arguments = vec![if header { b"-H".to_vec() } else { b"-a".to_vec() }];
    if let Some(sender) = sender {
        become_sender(&mut environment, &sender);
        arguments.extend([b"-f".to_vec(), sender]);
    }
    // After -f, which forgets all names (D41).
    if let Some(name) = name {
        environment.set("MAILNAME", &name);
    }
    arguments.push(b"--".to_vec());
    arguments.extend_from_slice(recipients);
    Outcome::Become(Plan {
        program: "bin/qmail-inject",
        arguments,
        environment,
        failure: "sendmail: fatal: unable to run qmail-inject\n",
    })
}

/// The From field, too, shall show whom `-f` names.
fn become_sender(environment: &mut Environment, sender: &[u8]) {
    for name in ["QMAILNAME", "MAILNAME", "NAME", "QMAILHOST", "MAILHOST"] {
        environment.remove(name);
    }
    match address::split(sender) {
        Some((local, domain)) => {
            environment.set("QMAILUSER", local);
            environment.set("QMAILHOST", domain);
        }
        None => environment.set("QMAILUSER", sender),
    }
}

fn mailq(environment: Environment) -> Plan {
    Plan {
        program: "bin/qmail-qread",
        arguments: Vec::new(),
        environment,
        failure: "sendmail: fatal: unable to run qmail-qread\n",
    }
}

/// SMTP on standard input and output, for a local program, which may relay.
fn smtpd(mut environment: Environment) -> Plan {
    if environment.value("PROTO").is_none() {
        for (name, value) in [
            ("RELAYCLIENT", ""),
            ("DATABYTES", "0"),
            ("PROTO", "TCP"),
            ("TCPLOCALIP", "127.0.0.1"),
            ("TCPLOCALHOST", "localhost"),
            ("TCPREMOTEIP", "127.0.0.1"),
            ("TCPREMOTEHOST", "localhost"),
            ("TCPREMOTEINFO", "sendmail-bs"),
        ] {
            environment.set(name, value.as_bytes());
        }
    }
    Plan {
        program: "bin/qmail-smtpd",
        arguments: Vec::new(),
        environment,
        failure: "sendmail: fatal: unable to run qmail-smtpd\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(line: &str) -> Outcome {
        let mut words = line.split(' ').map(|word| word.as_bytes().to_vec());
        let program = words.next().unwrap();
        let arguments: Vec<Vec<u8>> = words.collect();
        let mut environment = Environment::default();
        environment.set("NAME", b"Joe");
        environment.set("MAILHOST", b"m.x");
        plan(&program, &arguments, environment)
    }

    /// The command that is run, or what is said.
    fn command(line: &str) -> String {
        match planned(line) {
            Outcome::Become(plan) => {
                let arguments = plan.arguments.iter().map(|argument| String::from_utf8_lossy(argument));
                [plan.program.into()].into_iter().chain(arguments).collect::<Vec<_>>().join(" ")
            }
            Outcome::Complain(text) => String::from_utf8(text).unwrap(),
            Outcome::Nothing => "nothing".into(),
        }
    }

    #[test]
    fn command_lines() {
        for (line, expected) in [
            ("sendmail a b", "bin/qmail-inject -a -- a b"),
            ("sendmail -t", "bin/qmail-inject -H --"),
            ("sendmail -it -oi -oem -B8BITMIME -Ex -Jy -m -v -x a", "bin/qmail-inject -H -- a"),
            ("sendmail -f s@t.u -bm a", "bin/qmail-inject -a -f s@t.u -- a"),
            ("sendmail -- -a", "bin/qmail-inject -a -- -a"),
            ("sendmail a -t", "bin/qmail-inject -a -- a -t"),
            ("sendmail -N never -R hdrs -V id -O x=y -G a", "bin/qmail-inject -a -- a"),
            ("sendmail -q", "nothing"),
            ("sendmail -q30m", "nothing"),
            ("sendmail -q a", "bin/qmail-inject -a -- a"),
            ("sendmail -bp -z", "bin/qmail-qread"),
            ("/x/mailq", "bin/qmail-qread"),
            ("sendmail -bs", "bin/qmail-smtpd"),
            ("newaliases", "sendmail: fatal: please use fastforward/newaliases instead\n"),
        ] {
            assert_eq!(command(line), expected, "{line}");
        }
        let usage = String::from_utf8(USAGE.to_vec()).unwrap();
        for line in ["sendmail -bd", "sendmail -bt", "sendmail -bi"] {
            assert_eq!(command(line), usage, "{line}");
        }
        assert_eq!(command("sendmail -r s a"), format!("sendmail: illegal option -- r\n{usage}"));
        assert_eq!(command("mailq -z"), format!("mailq: illegal option -- z\n{usage}"));
    }

    fn variables(line: &str, names: &[&str]) -> Vec<Option<String>> {
        let Outcome::Become(plan) = planned(line) else { return Vec::new() };
        let value =
            |name: &&str| plan.environment.value(name).map(|v| String::from_utf8_lossy(v).into_owned());
        names.iter().map(value).collect()
    }

    #[test]
    fn a_sender_takes_the_place_of_all_that_the_environment_says() {
        let names = ["QMAILUSER", "QMAILHOST", "MAILNAME", "NAME", "MAILHOST"];
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(variables("sendmail -fa@b@c", &names), [some("a@b"), some("c"), None, None, None]);
        assert_eq!(variables("sendmail -fj", &names), [some("j"), None, None, None, None]);
        assert_eq!(variables("sendmail -FJ -fj", &names), [some("j"), None, some("J"), None, None]);
        assert_eq!(variables("sendmail -FJ", &names), [None, None, some("J"), some("Joe"), some("m.x")]);
        assert_eq!(variables("sendmail -bs", &["RELAYCLIENT", "PROTO"]), [some(""), some("TCP")]);
    }
}
