//! `users/assign`: one assignment a line, closed by a line that begins with a dot (qmail-users(5)).
//!
//! ```text
//! =local:user:uid:gid:home:dash:ext:      this local part and no other
//! +loc:user:uid:gid:home:dash:pre:        every local part that begins so; the rest goes behind pre
//! .
//! ```
//!
//! Any first byte but `+` means an exact assignment, as in the original. What follows the seventh colon is
//! ignored.

/// Cannot use users/assign, because …
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line} {what}")]
pub struct AssignError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: Wrong,
}

/// What is wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Wrong {
    /// The file ends before a line that begins with a dot.
    #[error("is the end of the file, and the closing line that begins with a dot is missing")]
    NoDot,
    /// A line holds a NUL.
    #[error("holds a NUL byte")]
    Nul,
    /// Nothing before the first colon.
    #[error("begins with a colon where = or + and a local part should be")]
    EmptyName,
    /// Fewer than seven colons.
    #[error("has fewer than seven colons; =local:user:uid:gid:home:dash:ext: is accepted")]
    TooFewColons,
}

/// One record of users/cdb.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// `!`, the lower-cased local part and, when exact, a NUL.
    pub key: Vec<u8>,
    /// Six fields with a NUL between each two.
    pub data: Vec<u8>,
}

/// What a users/assign file says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Assignments {
    /// In the order of the file; of two with the same key the first counts.
    pub records: Vec<Record>,
    /// The distinct last bytes of the wildcards, lower-cased: only at these is a wildcard looked for.
    ///
    /// The original keeps the case here, so that a wildcard ending in an upper-case letter is never found.
    pub wildcard_ends: Vec<u8>,
}

/// Reads a whole users/assign file.
pub fn parse(bytes: &[u8]) -> Result<Assignments, AssignError> {
    let mut out = Assignments::default();
    let mut rest = bytes;
    let mut line = 0;
    loop {
        line += 1;
        let fail = |what| Err(AssignError { line, what });
        if rest.first() == Some(&b'.') {
            return Ok(out);
        }
        let Some(end) = rest.iter().position(|&b| b == b'\n') else { return fail(Wrong::NoDot) };
        let (text, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        match parse_line(text) {
            Ok((record, wildcard_end)) => {
                out.wildcard_ends.extend(wildcard_end.filter(|b| !out.wildcard_ends.contains(b)));
                out.records.push(record);
            }
            Err(what) => return fail(what),
        }
    }
}

/// One line without its newline: the record, and for a wildcard its last byte.
fn parse_line(text: &[u8]) -> Result<(Record, Option<u8>), Wrong> {
    if text.contains(&0) {
        return Err(Wrong::Nul);
    }
    let mut fields = text.split(|&b| b == b':');
    let name = fields.next().unwrap_or_default();
    let (kind, local) =
        name.split_first().ok_or(if text.is_empty() { Wrong::TooFewColons } else { Wrong::EmptyName })?;
    let fields: Vec<&[u8]> = fields.collect();
    // Seven colons make seven pieces after the name; the last is what is ignored.
    let data = fields.get(..6).filter(|_| fields.len() >= 7).ok_or(Wrong::TooFewColons)?;
    let local = local.to_ascii_lowercase();
    let mut key = [b"!", local.as_slice()].concat();
    let wildcard_end = match kind {
        b'+' => local.last().copied(),
        _ => {
            key.push(0);
            None
        }
    };
    Ok((Record { key, data: data.join(&0) }, wildcard_end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_and_their_records() {
        let rows: [(&[u8], &[u8], &[u8]); 6] = [
            (b"=joe:joe:9001:9001:/h/joe:::", b"!joe\0", b"joe\x009001\x009001\0/h/joe\0\0"),
            (b"+Joe-:joe:1:1:/h:-::", b"!joe-", b"joe\x001\x001\0/h\0-\0"),
            (b"+:alias:7:7:/a:-:x:", b"!", b"alias\x007\x007\0/a\0-\0x"),
            (b"#joe:joe:1:1:/h:::", b"!joe\0", b"joe\x001\x001\0/h\0\0"),
            (b"=joe : joe :1:1:/h:::", b"!joe \0", b" joe \x001\x001\0/h\0\0"),
            (b"=joe:joe:1:1:/h:-:e:x:y:z", b"!joe\0", b"joe\x001\x001\0/h\0-\0e"),
        ];
        for (line, key, data) in rows {
            let (record, _) = parse_line(line).unwrap();
            assert_eq!((&record.key[..], &record.data[..]), (key, data));
        }
    }

    #[test]
    fn a_wildcard_that_ends_in_an_upper_case_letter_is_found() {
        let got = parse(b"+joeX:u:1:1:/h:-::\n+annx:u:1:1:/h:-::\n+a-:u:1:1:/h:-::\n.\n").unwrap();
        assert_eq!(got.wildcard_ends, b"x-");
    }

    #[test]
    fn errors_name_the_line() {
        let rows: [(&[u8], usize, Wrong); 8] = [
            (b"", 1, Wrong::NoDot),
            (b"=joe:joe:1:1:/h:::\n", 2, Wrong::NoDot),
            (b"=joe:joe:1:1:/h:::", 1, Wrong::NoDot),
            (b"=joe:joe:1:1:/h:::\n=joe:joe:1:1:/h::\n.\n", 2, Wrong::TooFewColons),
            (b"=joe\n.\n", 1, Wrong::TooFewColons),
            (b"\n.\n", 1, Wrong::TooFewColons),
            (b":joe:1:1:/h:::\n.\n", 1, Wrong::EmptyName),
            (b"=joe:j\0e:1:1:/h:::\n.\n", 1, Wrong::Nul),
        ];
        for (file, line, what) in rows {
            assert_eq!(parse(file), Err(AssignError { line, what }));
        }
    }

    #[test]
    fn what_follows_the_dot_is_ignored() {
        assert_eq!(parse(b".").unwrap(), Assignments::default());
        assert_eq!(parse(b".end\njunk").unwrap(), Assignments::default());
    }

    proptest! {
        #[test]
        fn any_file_is_an_answer(bytes in prop::collection::vec(prop_oneof![Just(b':'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn fields_come_back(f in prop::collection::vec("[a-z0-9/-]{0,8}", 7)) {
            let line = format!("+{}:\n.\n", f.join(":"));
            let got = parse(line.as_bytes()).unwrap();
            prop_assert_eq!(&got.records[0].key[1..], f[0].as_bytes());
            prop_assert_eq!(got.records[0].data.clone(), f[1..].join("\0").into_bytes());
        }
    }
}
