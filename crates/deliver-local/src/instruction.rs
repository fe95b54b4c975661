//! The language of `.qmail` files (dot-qmail(5), qmail-interfaces 8.7).
//!
//! A file is a sequence of lines, each of which says one thing; no line depends on another but by
//! their order. Whether an instruction is allowed is not decided here.

/// What one line asks for. Arguments end at a NUL, as they did in C strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction<'a> {
    /// Put the message into the Maildir at this path, which ends in a slash.
    Maildir(&'a [u8]),
    /// Append the message to the mbox file at this path.
    Mbox(&'a [u8]),
    /// Feed the message to this command of `/bin/sh`.
    Program(&'a [u8]),
    /// Forward the message to this address.
    Forward(&'a [u8]),
    /// `+list`: only forwarding is allowed from here on.
    ForwardOnly,
    /// The first line is blank: the user is probably not done editing.
    BlankFirstLine,
}

/// The instructions of a file, in order. Comments, blank lines but the first, and `+` lines that
/// we do not know are left out.
pub fn instructions(text: &[u8]) -> impl Iterator<Item = Instruction<'_>> {
    // A final newline ends the last line and begins no other.
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|&byte| byte == b'\n').enumerate().filter_map(|(number, line)| instruction(line, number == 0))
}

fn instruction(line: &[u8], first: bool) -> Option<Instruction<'_>> {
    let line = without_trailing_blanks(line);
    let argument = until_nul(line);
    match argument.split_first() {
        None if first => Some(Instruction::BlankFirstLine),
        None | Some((b'#', _)) => None,
        Some((b'.' | b'/', _)) if line.ends_with(b"/") => Some(Instruction::Maildir(argument)),
        Some((b'.' | b'/', _)) => Some(Instruction::Mbox(argument)),
        Some((b'|', command)) => Some(Instruction::Program(command)),
        Some((b'+', b"list")) => Some(Instruction::ForwardOnly),
        Some((b'+', _)) => None,
        Some((b'&', address)) => Some(Instruction::Forward(address)),
        Some(_) => Some(Instruction::Forward(argument)),
    }
}

fn without_trailing_blanks(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
    line.get(..end).unwrap_or(line)
}

fn until_nul(line: &[u8]) -> &[u8] {
    line.split(|&byte| byte == 0).next().unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::Instruction::*;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_first_byte_means_one_thing() {
        let table: &[(&[u8], &[Instruction<'_>])] = &[
            (b"./Mailbox\n", &[Mbox(b"./Mailbox")]),
            (b"./Maildir/\n", &[Maildir(b"./Maildir/")]),
            (b"/var/mail/", &[Maildir(b"/var/mail/")]),
            (b"/var/mail/joe", &[Mbox(b"/var/mail/joe")]),
            (b".\n./\n", &[Mbox(b"."), Maildir(b"./")]),
            (b"|prog 'x' | y \t\n", &[Program(b"prog 'x' | y")]),
            (b"|   x\n|\n", &[Program(b"   x"), Program(b"")]),
            (b"&a@b\n&\n& c@d\n", &[Forward(b"a@b"), Forward(b""), Forward(b" c@d")]),
            (b"a@b\n  c@d\r\n", &[Forward(b"a@b"), Forward(b"  c@d\r")]),
            (b":include:x\n\\a\n", &[Forward(b":include:x"), Forward(b"\\a")]),
            (b"+list\n+list \n+lists\n+\n", &[ForwardOnly, ForwardOnly]),
            (b"# c\n\n \t\na@b#c\n", &[Forward(b"a@b#c")]),
            (b"\na\n", &[BlankFirstLine, Forward(b"a")]),
            (b" \t\na\n", &[BlankFirstLine, Forward(b"a")]),
            (b"", &[BlankFirstLine]),
            (b"a@b\0c\n./x\0y/\n\0z\n", &[Forward(b"a@b"), Maildir(b"./x")]),
        ];
        for (text, expected) in table {
            let read: Vec<_> = instructions(text).collect();
            assert_eq!(read, *expected, "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_file_of_at_most_as_many_instructions_as_lines(text: Vec<u8>) {
            let lines = text.iter().filter(|&&byte| byte == b'\n').count() + 1;
            prop_assert!(instructions(&text).count() <= lines);
        }

        #[test]
        fn no_argument_holds_a_nul_or_a_newline(text: Vec<u8>) {
            for read in instructions(&text) {
                let (Maildir(a) | Mbox(a) | Program(a) | Forward(a)) = read else { continue };
                prop_assert!(!a.contains(&0) && !a.contains(&b'\n'));
            }
        }
    }
}
