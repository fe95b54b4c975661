//! Lists of addresses in files of their own: a row of `&address` and file names, each with a NUL behind it.
//!
//! newinclude(1) makes one from an `:include:` file, setmaillist(1) from a plain list; printmaillist(1) prints it.

use super::alias_file::LineError;
use super::entry::{self, Entry};
use super::instruction::Instruction;
use super::items;
use crate::rewrite::Rewriter;

/// An `:include:` file: any number of addresses and `:include:` items a line. Programs and files are refused: whoever
/// may write the list may not run things as its reader.
pub fn from_include_file(text: &[u8], rewriter: &Rewriter<'_>) -> Result<Vec<u8>, LineError> {
    let mut list = Vec::new();
    for (number, line) in lines(text) {
        let error =
            |text: &[u8], why: &str| LineError { line: number, text: text.to_vec(), why: why.to_owned() };
        let Some(items) = items(line) else {
            return Err(error(line, "a quotation, a comment or a bracket without an end"));
        };
        for item in items {
            match entry::read(item, rewriter) {
                Ok(None) => {}
                Ok(Some(Entry::Address(address))) => list.extend(Instruction::Forward(address).encode()),
                Ok(Some(Entry::Include(file))) => {
                    list.extend(Instruction::List([file.as_slice(), b".bin"].concat()).encode());
                }
                Ok(Some(Entry::Program(_))) => {
                    return Err(error(item, "program delivery is not supported in a list"));
                }
                Ok(Some(Entry::File(_))) => {
                    return Err(error(item, "file delivery is not supported in a list"));
                }
                Err(why) => return Err(error(item, &why.to_string())),
            }
        }
    }
    Ok(list)
}

/// A plain list: one complete address or file name a line.
pub fn from_plain_list(text: &[u8]) -> Result<Vec<u8>, LineError> {
    let mut list = Vec::new();
    for (line, text) in lines(text) {
        let error = |why: &str| LineError { line, text: text.to_vec(), why: why.to_owned() };
        let text = text.trim_ascii_end();
        match Instruction::from_text(text) {
            _ if text.is_empty() => {}
            _ if text.contains(&0) => return Err(error("NUL in input")),
            Some(Instruction::Forward(address)) if address.len() >= super::ADDRESS_MAX_BYTES => {
                return Err(error("addresses must be under 800 bytes"));
            }
            Some(instruction @ (Instruction::Forward(_) | Instruction::List(_))) => {
                list.extend(instruction.encode())
            }
            _ => return Err(error("a line must begin with a letter, a number, or one of & . /")),
        }
    }
    Ok(list)
}

/// One line for each item; `None` if it is no such list.
pub fn print(list: &[u8]) -> Option<Vec<u8>> {
    let items = super::instruction::decode_all(list)?;
    Some(items.iter().flat_map(|item| [item.text().as_slice(), b"\n"].concat()).collect())
}

fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    (1..)
        .zip(text.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)))
        .filter(|(_, line)| !line.starts_with(b"#"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aliases::Completion;
    use proptest::prelude::*;

    fn included(text: &[u8]) -> Result<Vec<u8>, LineError> {
        let completion = Completion::of("me.example");
        from_include_file(text, &completion.rewriter().unwrap())
    }

    #[test]
    fn lists_of_both_kinds() {
        let list = included(b"joe, ann@x.y\n# c\n bob (x)\n:include:/other\n").unwrap();
        assert_eq!(list, b"&joe@me.example\0&ann@x.y\0&bob@me.example\0/other.bin\0");
        assert_eq!(print(&list).unwrap(), b"&joe@me.example\n&ann@x.y\n&bob@me.example\n/other.bin\n");
        assert_eq!(from_plain_list(b"a@b \n# c\n\n&x y@z\n/l.bin").unwrap(), b"&a@b\0&x y@z\0/l.bin\0");
        for (text, line) in [("a\n\"|prog\"\n", 2), ("/file\n", 1), ("a b\n", 1), ("(\n", 1)] {
            assert_eq!(included(text.as_bytes()).unwrap_err().line, line, "{text}");
        }
        assert_eq!(from_plain_list(b"a@b\n|prog\n").unwrap_err().line, 2);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text: Vec<u8>) {
            let _ = (included(&text), from_plain_list(&text), print(&text));
        }
    }
}
