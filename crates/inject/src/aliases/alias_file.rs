//! `/etc/aliases` (newaliases(1)): `target: item, item` lines, into records of a forwarding database.

use super::entry::{self, Entry};
use super::instruction::{Instruction, owner_key, target_key};
use super::table::Records;
use super::{items, pieces};
use crate::rewrite::Rewriter;
use message::token::{Token, unquote};

/// A line that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: \"{}\": {why}", .text.escape_ascii())]
pub struct LineError {
    /// From 1; of a continued line the first.
    pub line: usize,
    /// The line, or the item in it.
    pub text: Vec<u8>,
    /// What is wrong.
    pub why: String,
}

/// Reads a whole file.
pub fn read(text: &[u8], rewriter: &Rewriter<'_>) -> Result<Records, LineError> {
    let mut aliases = Vec::new();
    for (line, text) in logical_lines(text) {
        let error = |text: &[u8], why: String| LineError { line, text: text.trim_ascii().to_vec(), why };
        aliases.extend(alias(&text, rewriter).map_err(|(item, why)| error(item, why))?);
    }
    let mut records = Records::new();
    for (target, instructions) in &aliases {
        // Mail that is sent on for `list` bounces to `owner-list`, if there is one.
        let owner = [b"owner-".as_slice(), target].concat();
        if aliases.iter().any(|(other, _)| *other == owner) {
            records.push((owner_key(target), completed(&owner, rewriter)));
        }
        let data: Vec<u8> = instructions.iter().flat_map(Instruction::encode).collect();
        records.push((target_key(target), data));
    }
    Ok(records)
}

/// `owner-list@` is an address only with a host.
fn completed(target: &[u8], rewriter: &Rewriter<'_>) -> Vec<u8> {
    let Some(local) = target.strip_suffix(b"@") else { return target.to_vec() };
    let mut tokens = vec![Token::Quoted(local.into())];
    rewriter.rewrite(&mut tokens);
    unquote(&tokens)
}

/// A line and those that continue it: they begin with a blank, or are empty. Comments have continuations, too.
fn logical_lines(text: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut lines: Vec<(usize, Vec<u8>)> = Vec::new();
    for (number, line) in (1..).zip(text.split(|&b| b == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let continues = line.first().is_none_or(|&b| b == b' ' || b == b'\t');
        match lines.last_mut() {
            Some((_, last)) if continues => {
                last.push(b'\n');
                last.extend_from_slice(line);
            }
            _ => lines.push((number, line.to_vec())),
        }
    }
    lines.retain(|(_, line)| !line.starts_with(b"#") && !line.trim_ascii().is_empty());
    lines
}

type Alias = (Vec<u8>, Vec<Instruction>);

fn alias<'a>(line: &'a [u8], rewriter: &Rewriter<'_>) -> Result<Option<Alias>, (&'a [u8], String)> {
    let wrong = |text: &'a [u8], why: &str| Err((text, why.to_owned()));
    let Some((parts, true)) = pieces(line, b':') else {
        return wrong(line, "an alias is a name, a colon, and addresses separated by commas");
    };
    let name = parts.first().copied().unwrap_or_default();
    let Some(target) = target(name) else {
        return wrong(name, "the name of an alias is user, user@host or @host");
    };
    let rest = line.get(name.len().saturating_add(1)..).unwrap_or_default();
    let mut instructions = Vec::new();
    for item in items(rest).unwrap_or_default() {
        match entry::read(item, rewriter) {
            Ok(None) => {}
            Ok(Some(entry)) => match instruction(entry) {
                Some(instruction) => instructions.push(instruction),
                None => return wrong(item, FILES),
            },
            Err(why) => return wrong(item, &why.to_string()),
        }
    }
    if instructions.is_empty() {
        return wrong(line, "an alias needs an address");
    }
    Ok(Some((target, instructions)))
}

const FILES: &str =
    "mail is not put into files from here: forward it to an address whose .qmail file names the file";

fn instruction(entry: Entry) -> Option<Instruction> {
    Some(match entry {
        Entry::Address(address) => Instruction::Forward(address),
        Entry::Program(command) => Instruction::ProgramWithHead(command),
        Entry::Include(file) => Instruction::List([file.as_slice(), b".bin"].concat()),
        // Thrown away, as everywhere.
        Entry::File(file) if file == b"/dev/null" => Instruction::Program(b"exit 0".to_vec()),
        Entry::File(_) => return None,
    })
}

/// In lower case, with an at sign: `user@` for a user at any host.
fn target(name: &[u8]) -> Option<Vec<u8>> {
    let tokens = super::entry::single_address(name.trim_ascii())?;
    let mut target = unquote(&tokens).to_ascii_lowercase();
    if !tokens.contains(&Token::At) {
        target.push(b'@');
    }
    (target != b"@" && !target.contains(&0)).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aliases::Completion;
    use proptest::prelude::*;

    fn records(text: &[u8]) -> Result<Vec<(String, String)>, String> {
        let completion = Completion::of("me.example");
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', " ").trim_end().to_owned();
        read(text, &completion.rewriter().unwrap())
            .map(|records| records.iter().map(|(key, data)| (words(key), words(data))).collect())
            .map_err(|error| error.to_string())
    }

    /// What Debian's installer, its packages and their administrators write.
    const DEBIAN: &[u8] = b"# See man 5 aliases for format\npostmaster:    root\nMailer-Daemon: postmaster\n\
        root: joe, \"Ann B\" <ann@host> (comment),\n  bob@full.example\n\
        # a comment\n  that goes on: over lines\n\
        @whole.example: y@z.example\nhostmaster@virt.example:\\joe\n\n\
        list: :include:/etc/list, \"|/usr/lib/prog --post list\"\nowner-list: boss\n\
        noreply: /dev/null\nUpper.Case: Some.Body\nlogcheck: |/usr/bin/prog\n";

    #[test]
    fn the_aliases_of_a_debian_host() {
        let expected = [
            (":postmaster@", "&root@me.example"),
            (":mailer-daemon@", "&postmaster@me.example"),
            (":root@", "&joe@me.example &ann@host.example &bob@full.example"),
            (":@whole.example", "&y@z.example"),
            (":hostmaster@virt.example", "&joe@me.example"),
            ("?list@", "owner-list@me.example"),
            (":list@", "/etc/list.bin !/usr/lib/prog --post list"),
            (":owner-list@", "&boss@me.example"),
            (":noreply@", "|exit 0"),
            (":upper.case@", "&Some.Body@me.example"),
            (":logcheck@", "!/usr/bin/prog"),
        ];
        let expected =
            expected.map(|(key, data)| (key.to_owned(), data.replace("host.example", "host.me.example")));
        assert_eq!(records(DEBIAN).unwrap(), expected);
    }

    #[test]
    fn a_line_that_cannot_be_used_is_named() {
        for (text, line, why) in [
            ("a: b\nempty:\n", 2, "needs an address"),
            ("a: b\n\nbare\n", 3, "a colon"),
            ("a: b,\n c d\n", 1, "not an address"),
            ("a b: c\n", 1, "name of an alias"),
            ("a: /var/mail/archive\n", 1, ".qmail file"),
            ("a: \"b\n", 1, "a colon"),
            (": b\n", 1, "name of an alias"),
        ] {
            let error = records(text.as_bytes()).unwrap_err();
            assert!(error.starts_with(&format!("line {line}: ")) && error.contains(why), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_read(text in "[a:,|\"/()<>@ \\n#\\\\;.]{0,60}") {
            let _ = records(text.as_bytes());
        }
    }
}
