//! The text of a forwarding database: setforward(1) reads it, printforward(1) writes it.
//!
//! `target: command, command;`. A `#` and the rest of its line, blanks and line ends do not count, unless a backslash
//! stands before them.

use super::instruction::{Instruction, owner_key, target_key};

/// What is wrong with a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TableError {
    /// A NUL.
    #[error("NUL bytes are not permitted")]
    Nul,
    /// `a:b:`
    #[error("double colons are not permitted")]
    TwoColons,
    /// `a,b:`
    #[error("commas are not permitted before colons")]
    CommaBeforeColon,
    /// A semicolon, and no colon before it.
    #[error("an instruction must have a colon")]
    NoColon,
    /// The end of the file.
    #[error("final instruction must end with semicolon")]
    Unfinished,
    /// An address.
    #[error("addresses over 800 bytes are not permitted")]
    TooLong,
    /// A command that is none.
    #[error("a command must begin with a letter, a number, or one of & ? . / | !")]
    Unknown,
}

/// Key and data, in the order of the text.
pub type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads a whole table.
pub fn read(text: &[u8]) -> Result<Records, TableError> {
    let mut records = Records::new();
    let (mut target, mut commands, mut word) = (None::<Vec<u8>>, Vec::<Vec<u8>>::new(), Vec::new());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            0 => return Err(TableError::Nul),
            b'\\' => match bytes.next() {
                None => return Err(TableError::Unfinished),
                Some(0) => return Err(TableError::Nul),
                Some(&byte) => word.push(byte),
            },
            b'#' => {
                bytes.by_ref().find(|&&byte| byte == b'\n');
            }
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b':' if target.is_some() => return Err(TableError::TwoColons),
            b':' => target = Some(std::mem::take(&mut word).to_ascii_lowercase()),
            b',' if target.is_none() => return Err(TableError::CommaBeforeColon),
            b',' => commands.push(std::mem::take(&mut word)),
            b';' => {
                commands.push(std::mem::take(&mut word));
                let target = target.take().ok_or(TableError::NoColon)?;
                instruction(&target, &std::mem::take(&mut commands), &mut records)?;
            }
            byte => word.push(byte),
        }
    }
    if target.is_some() || !word.is_empty() { Err(TableError::Unfinished) } else { Ok(records) }
}

fn instruction(target: &[u8], commands: &[Vec<u8>], records: &mut Records) -> Result<(), TableError> {
    let mut data = Vec::new();
    for command in commands.iter().filter(|command| !command.is_empty()) {
        if let Some(owner) = command.strip_prefix(b"?") {
            records.push((owner_key(target), short(owner)?.to_vec()));
            continue;
        }
        let instruction = Instruction::from_text(command).ok_or(TableError::Unknown)?;
        if let Instruction::Forward(address) = &instruction {
            short(address)?;
        }
        data.extend(instruction.encode());
    }
    if !data.is_empty() {
        records.push((target_key(target), data));
    }
    Ok(())
}

fn short(address: &[u8]) -> Result<&[u8], TableError> {
    if address.len() > super::ADDRESS_MAX_BYTES { Err(TableError::TooLong) } else { Ok(address) }
}

/// Writes one record; `None` for what is no record of a forwarding database.
pub fn print(key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let (&kind, target) = key.split_first()?;
    let mut out = escaped(target);
    match kind {
        b'?' => out.extend([b": ?".as_slice(), &escaped(data), b";\n"].concat()),
        b':' => {
            out.extend_from_slice(b":\n");
            let commands = data.strip_suffix(b"\0")?;
            for command in commands.split(|&b| b == 0) {
                out.extend([b", ".as_slice(), &escaped(command), b"\n"].concat());
            }
            out.extend_from_slice(b";\n");
        }
        _ => return None,
    }
    Some(out)
}

fn escaped(text: &[u8]) -> Vec<u8> {
    let special = |b: u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b';' | b'\\' | b'#');
    text.iter().flat_map(|&b| special(b).then_some(b'\\').into_iter().chain([b])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_table_has_targets_and_commands() {
        let text = b"# comment; here\nRoot@yp.to: god@a.b, &x\\ y@a.b ,/l.bin, |prog a\\ b;\n\
            list@x: ?owner-list@x, a@b.c;\nempty@x: ;\n";
        let expected: [(&[u8], &[u8]); 3] = [
            (b":root@yp.to", b"&god@a.b\0&x y@a.b\0/l.bin\0|proga b\0"),
            (b"?list@x", b"owner-list@x"),
            (b":list@x", b"&a@b.c\0"),
        ];
        assert_eq!(read(text).unwrap(), expected.map(|(k, d)| (k.to_vec(), d.to_vec())));
        for (wrong, why) in [
            (&b"a:b:c;"[..], TableError::TwoColons),
            (b"a,b:c;", TableError::CommaBeforeColon),
            (b"a:b", TableError::Unfinished),
            (b"a;", TableError::NoColon),
            (b"a:*x;", TableError::Unknown),
            (b"a:\0;", TableError::Nul),
        ] {
            assert_eq!(read(wrong), Err(why), "{}", wrong.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_as_it_was(target in "[a-z@ #:;,.]{1,9}", address in "[ -~]{1,20}", owner in "[ -~]{1,9}") {
            let records = vec![
                (owner_key(target.as_bytes()), owner.into_bytes()),
                (target_key(target.as_bytes()), [b"&", address.as_bytes(), b"\0|a b\0"].concat()),
            ];
            let text: Vec<u8> = records.iter().flat_map(|(key, data)| print(key, data).unwrap()).collect();
            prop_assert_eq!(read(&text).unwrap(), records);
        }

        #[test]
        fn any_table_is_read_and_any_record_printed(text: Vec<u8>, key: Vec<u8>) {
            let _ = read(&text);
            let _ = print(&key, &text);
        }
    }
}
