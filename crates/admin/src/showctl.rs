//! qmail-showctl(8): the settings of an installation, in the original's words (contract 10.6).
//!
//! Names, forms and defaults come from [`catalogue`]; here are the sentences. Files that the original does not know
//! are unknown here, too, since scripts read this; `--all` tells about them.

use control::catalogue::{self, Form, ORIGINAL, OWN, PATCHES, Setting};
use control::{Control, ControlError};
use std::io::{self, Write};
use std::path::Path;

/// Numbers of accounts and groups, as qmail-showctl names them; `None` for one that does not exist.
#[derive(Debug)]
pub struct Identities {
    /// alias, qmaild, qmaill, root, qmailp, qmailq, qmailr, qmails.
    pub users: [Option<u32>; 8],
    /// nofiles, qmail.
    pub groups: [Option<u32>; 2],
}

impl Identities {
    /// Asks the system; in the rootless form everybody is the caller.
    pub fn of_system() -> Self {
        use nix::unistd::{Group, User, getegid, geteuid};
        if os::home::is_rootless() {
            return Self { users: [Some(geteuid().as_raw()); 8], groups: [Some(getegid().as_raw()); 2] };
        }
        let user = |name| User::from_name(name).ok().flatten().map(|user| user.uid.as_raw());
        let group = |name| Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw());
        let names = ["alias", "qmaild", "qmaill", "root", "qmailp", "qmailq", "qmailr", "qmails"];
        Self { users: names.map(user), groups: ["nofiles", "qmail"].map(group) }
    }
}

/// Writes it all. An error is one of writing, or of reading the directory.
pub fn print(home: &Path, identities: &Identities, all: bool, out: &mut dyn Write) -> io::Result<()> {
    let control = Control::at(home);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(control.directory())? {
        names.push(entry?.file_name());
    }
    writeln!(out, "qmail home directory: {}.", home.display())?;
    out.write_all(b"user-ext delimiter: -.\npaternalism (in decimal): 2.\nsilent concurrency limit: 120.\n")?;
    writeln!(out, "subdirectory split: {}.", split(home))?;
    writeln!(out, "user ids: {}.", numbers(&identities.users))?;
    writeln!(out, "group ids: {}.", numbers(&identities.groups))?;
    for setting in ORIGINAL {
        write!(out, "\n{}: ", setting.name)?;
        let shown = original(&control, setting).unwrap_or_else(|_| TROUBLE.to_vec());
        out.write_all(&shown)?;
        out.write_all(b"\n")?;
    }
    if all {
        for setting in PATCHES.iter().chain(OWN) {
            write!(out, "\n{}: ", setting.name)?;
            out.write_all(&later(&control, setting).unwrap_or_else(|_| TROUBLE.to_vec()))?;
            out.write_all(b"\n")?;
        }
    }
    for name in names {
        let name = name.as_encoded_bytes();
        let known = std::str::from_utf8(name).unwrap_or_default();
        let setting = catalogue::setting(known);
        if setting.is_some_and(|setting| all || setting.since == catalogue::Since::Original) {
            continue;
        }
        out.write_all(&[b"\n", printable(name).as_slice(), b": "].concat())?;
        match catalogue::foreign(known).filter(|_| all) {
            Some(foreign) => writeln!(out, "{} {}", foreign.meaning, foreign.instead)?,
            None => out.write_all(b"I have no idea what this file does.\n")?,
        }
    }
    Ok(())
}

const TROUBLE: &[u8] = b"Oops! Trouble reading this file.";

/// How many folders `queue/mess` has; the usual number for whoever may not look.
fn split(home: &Path) -> usize {
    const USUAL: usize = 23;
    let folders = std::fs::read_dir(home.join("queue/mess")).map_or(0, |entries| entries.count());
    if folders == 0 { USUAL } else { folders }
}

fn numbers(ids: &[Option<u32>]) -> String {
    let text = |id: &Option<u32>| id.map_or_else(|| "?".to_owned(), |id| id.to_string());
    ids.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn original(control: &Control, setting: &Setting) -> Result<Vec<u8>, ControlError> {
    let (before, after, without) = sentence(setting.name);
    let default =
        |value: &[u8]| [b"(Default.) ", before.as_bytes(), &printable(value), after.as_bytes()].concat();
    let said = |value: &[u8]| [before.as_bytes(), &printable(value), after.as_bytes()].concat();
    let listed = |lines: Option<Vec<Vec<u8>>>| match lines {
        Some(lines) => {
            lines.iter().fold(Vec::new(), |text, line| [text.as_slice(), b"\n", &said(line)].concat())
        }
        None => [b"(Default.) ", without.as_bytes()].concat(),
    };
    Ok(match setting.form {
        _ if setting.name == "me" => match control.line("me")? {
            Some(line) => said(&line),
            None => [b"(Default.) ", without.as_bytes()].concat(),
        },
        _ if setting.name == "morercpthosts" => more_hosts(control, &listed)?,
        Form::Cdb { .. } => more_hosts_database(control)?.to_vec(),
        Form::Line { default: word, .. } => match control.line(setting.name)? {
            Some(line) => said(&line),
            None => default(word.unwrap_or_default().as_bytes()),
        },
        Form::LineOrMe { default: word } => match control.line(setting.name)? {
            Some(line) => said(&line),
            None => default(&control.line("me")?.unwrap_or_else(|| word.unwrap_or(setting.name).into())),
        },
        Form::Number { .. } => match number(control, setting)? {
            (value, true) => default(value.to_string().as_bytes()),
            (value, false) => said(value.to_string().as_bytes()),
        },
        Form::List { .. } | Form::ListOrMe { .. } | Form::Map { .. } | Form::Choice { .. } => {
            listed(control.list(setting.name)?)
        }
    })
}

/// The number that counts, and whether it is the default.
fn number(control: &Control, setting: &Setting) -> Result<(u64, bool), ControlError> {
    let mut is_default = control.line(setting.name)?.is_none();
    let value =
        control.number(setting, &mut |warning| is_default |= warning.used.starts_with("the default"))?;
    Ok((value, is_default))
}

fn more_hosts(
    control: &Control,
    listed: &dyn Fn(Option<Vec<Vec<u8>>>) -> Vec<u8>,
) -> Result<Vec<u8>, ControlError> {
    let lines = control.list("morercpthosts")?;
    if control.line("rcpthosts")?.is_some() {
        return Ok(listed(lines));
    }
    Ok(match lines {
        None => b"(Default.) No rcpthosts; morercpthosts is irrelevant.".to_vec(),
        Some(lines) => lines.iter().fold(Vec::new(), |text, line| {
            let sentence = b"\nNo rcpthosts; doesn't matter that morercpthosts has ".as_slice();
            [text.as_slice(), sentence, &printable(line), b"."].concat()
        }),
    })
}

fn more_hosts_database(control: &Control) -> Result<&'static [u8], ControlError> {
    let changed =
        |name: &str| control.directory().join(name).metadata().and_then(|found| found.modified()).ok();
    Ok(match (changed("morercpthosts"), changed("morercpthosts.cdb")) {
        (None, None) => b"(Default.) No effect.",
        (None, Some(_)) => b"Oops! morercpthosts.cdb exists but morercpthosts doesn't.",
        (Some(_), None) => b"Oops! morercpthosts exists but morercpthosts.cdb doesn't.",
        (Some(source), Some(made)) if source > made => {
            b"Oops! morercpthosts.cdb is older than morercpthosts."
        }
        (Some(_), Some(_)) => b"Modified recently enough; hopefully up to date.",
    })
}

/// A file that the original does not know: what is in it, and what it means.
fn later(control: &Control, setting: &Setting) -> Result<Vec<u8>, ControlError> {
    let value = match setting.form {
        Form::Number { unit, .. } => match number(control, setting)? {
            (value, true) => format!("(Default.) {value} {unit}.").into_bytes(),
            (value, false) => format!("{value} {unit}.").into_bytes(),
        },
        _ => match control.list(setting.name)? {
            None => format!("(Default.) {}.", setting.default_words()).into_bytes(),
            Some(lines) => lines
                .iter()
                .fold(Vec::new(), |text, line| [text.as_slice(), b"\n", &printable(line)].concat()),
        },
    };
    Ok([value.as_slice(), b"\n", setting.meaning.as_bytes()].concat())
}

/// What stands before and after a value, and what is said without a list.
fn sentence(name: &str) -> (&'static str, &'static str, &'static str) {
    match name {
        "badmailfrom" => ("", " not accepted in MAIL FROM.", "Any MAIL FROM is allowed."),
        "bouncefrom" => ("Bounce user name is ", ".", ""),
        "bouncehost" => ("Bounce host name is ", ".", ""),
        "concurrencylocal" => ("Local concurrency is ", ".", ""),
        "concurrencyremote" => ("Remote concurrency is ", ".", ""),
        "databytes" => ("SMTP DATA limit is ", " bytes.", ""),
        "defaultdomain" => ("Default domain name is ", ".", ""),
        "defaulthost" => ("Default host name is ", ".", ""),
        "doublebouncehost" => ("2B recipient host: ", ".", ""),
        "doublebounceto" => ("2B recipient user: ", ".", ""),
        "envnoathost" => ("Presumed domain name is ", ".", ""),
        "helohost" => ("SMTP client HELO host name is ", ".", ""),
        "idhost" => ("Message-ID host name is ", ".", ""),
        "localiphost" => ("Local IP address becomes ", ".", ""),
        "locals" => ("Messages for ", " are delivered locally.", "Messages for me are delivered locally."),
        "me" => ("My name is ", ".", "My name is undefined! Uh-oh."),
        "percenthack" => {
            ("The percent hack is allowed for user%host@", ".", "The percent hack is not allowed.")
        }
        "plusdomain" => ("Plus domain name is ", ".", ""),
        "qmqpservers" => ("QMQP server: ", ".", "No QMQP servers."),
        "queuelifetime" => ("Message lifetime in the queue is ", " seconds.", ""),
        "rcpthosts" => (RECIPIENTS, ".", "SMTP clients may send messages to any recipient."),
        "morercpthosts" => (RECIPIENTS, ".", "No effect."),
        "smtpgreeting" => ("SMTP greeting: 220 ", ".", ""),
        "smtproutes" => ("SMTP route: ", "", "No artificial SMTP routes."),
        "timeoutconnect" => ("SMTP client connection timeout is ", " seconds.", ""),
        "timeoutremote" => ("SMTP client data timeout is ", " seconds.", ""),
        "timeoutsmtpd" => ("SMTP server data timeout is ", " seconds.", ""),
        "virtualdomains" => ("Virtual domain: ", "", "No virtual domains."),
        _ => ("", "", ""),
    }
}

const RECIPIENTS: &str = "SMTP clients may send messages to recipients at ";

fn printable(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|&b| if (32..=126).contains(&b) { b } else { b'?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(files: &[(&str, &str)], all: bool) -> String {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("control")).unwrap();
        for (name, content) in files {
            std::fs::write(home.path().join("control").join(name), content).unwrap();
        }
        let mut out = Vec::new();
        print(home.path(), &Identities { users: [Some(7); 8], groups: [None; 2] }, all, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_file_of_the_original_has_a_sentence() {
        for setting in ORIGINAL.iter().filter(|s| !matches!(s.form, Form::Cdb { .. })) {
            assert_ne!(sentence(setting.name), ("", "", ""), "{}", setting.name);
        }
    }

    #[test]
    fn what_the_original_does_not_know_is_told_when_asked_for() {
        let files = [("concurrencyincoming", "7\n"), ("servercert.pem", ""), ("mine", "")];
        let classic = shown(&files, false);
        assert_eq!(classic.matches("I have no idea").count(), 3);
        assert!(classic.contains("user ids: 7, 7, 7, 7, 7, 7, 7, 7.\ngroup ids: ?, ?.\n"), "{classic}");
        let all = shown(&files, true);
        assert!(all.contains("\nconcurrencyincoming: 7 sessions.\nHow many SMTP"), "{all}");
        assert!(all.contains("\nprogramtimeout: (Default.) 0 seconds.\n"), "{all}");
        assert!(all.contains("\nservercert.pem: Certificate and key"), "{all}");
        assert_eq!(all.matches("I have no idea").count(), 1);
    }

    #[test]
    fn a_number_that_cannot_be_used_is_shown_as_the_default_that_is() {
        assert!(
            shown(&[("timeoutconnect", "0\n")], false)
                .contains("timeoutconnect: (Default.) SMTP client connection timeout is 60")
        );
        assert!(
            shown(&[("timeoutconnect", "5x\n")], false)
                .contains("timeoutconnect: SMTP client connection timeout is 5")
        );
    }
}
