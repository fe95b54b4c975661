//! Reading a message: its header field by field, its body as it comes, both in bounded memory (D50).

use crate::error::InjectError;
use message::header::{HeaderSplitter, Line};
use std::io::{BufRead, Read};

/// The most header we take. A header with a hundred thousand addresses fits.
pub const HEADER_MAX_BYTES: usize = 4 << 20;

/// What follows the header.
#[derive(PartialEq, Eq, Debug)]
pub enum Rest {
    /// Nothing, not even a blank line.
    Nothing,
    /// A blank line, then the body.
    Body,
    /// No blank line: these bytes, which are no field, and the rest of the input are the body.
    Unseparated(Vec<u8>),
}

/// Reads the header and hands each field on, with its newline.
pub fn read_header(
    input: &mut dyn BufRead,
    each: &mut dyn FnMut(Vec<u8>) -> Result<(), InjectError>,
) -> Result<Rest, InjectError> {
    let mut splitter = HeaderSplitter::default();
    let mut left = HEADER_MAX_BYTES;
    loop {
        let mut line = Vec::new();
        let limit = u64::try_from(left).unwrap_or(u64::MAX);
        input.take(limit).read_until(b'\n', &mut line).map_err(|_| InjectError::Read)?;
        left = left.saturating_sub(line.len());
        let cut = left == 0 && !line.ends_with(b"\n");
        if cut && (line.is_empty() || splitter.is_header(&line)) {
            return Err(InjectError::HeaderTooLong);
        }
        if line.is_empty() {
            if let Some(field) = splitter.finish() {
                each(field)?;
            }
            return Ok(Rest::Nothing);
        }
        if !cut && !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        let (complete, rest) = match splitter.line(&line) {
            Line::Header(complete) => (complete, None),
            Line::Blank(complete) => (complete, Some(Rest::Body)),
            Line::Body(complete) => (complete, Some(Rest::Unseparated(line))),
        };
        if let Some(field) = complete {
            each(field)?;
        }
        if let Some(rest) = rest {
            return Ok(rest);
        }
    }
}

/// Copies the body, blank line first, and adds the final newline where it is missing.
pub fn copy_body(
    input: &mut dyn BufRead,
    rest: &Rest,
    put: &mut dyn FnMut(&[u8]) -> Result<(), InjectError>,
) -> Result<(), InjectError> {
    let mut last = match rest {
        Rest::Nothing => return Ok(()),
        Rest::Body => {
            put(b"\n")?;
            b'\n'
        }
        Rest::Unseparated(bytes) => {
            put(b"\n")?;
            put(bytes)?;
            bytes.last().copied().unwrap_or(b'\n')
        }
    };
    loop {
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(InjectError::Read),
        };
        let Some(&end) = chunk.last() else { break };
        put(chunk)?;
        last = end;
        let used = chunk.len();
        input.consume(used);
    }
    if last == b'\n' { Ok(()) } else { put(b"\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8]) -> Result<(Vec<Vec<u8>>, Vec<u8>), InjectError> {
        let (mut fields, mut body, mut input) = (Vec::new(), Vec::new(), message);
        let rest = read_header(&mut input, &mut |field| {
            fields.push(field);
            Ok(())
        })?;
        copy_body(&mut input, &rest, &mut |bytes| {
            body.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok((fields, body))
    }

    #[test]
    fn messages_and_their_halves() {
        for (message, fields, body) in [
            ("", vec![], ""),
            ("To: a", vec!["To: a\n"], ""),
            ("To: a\n\nbody", vec!["To: a\n"], "\nbody\n"),
            ("To: a\n\n", vec!["To: a\n"], "\n"),
            ("hello", vec![], "\nhello\n"),
            ("hello\nTo: a", vec![], "\nhello\nTo: a\n"),
        ] {
            let fields = fields.into_iter().map(|f| f.as_bytes().to_vec()).collect();
            assert_eq!(read(message.as_bytes()), Ok((fields, body.as_bytes().to_vec())), "{message:?}");
        }
    }

    #[test]
    fn an_endless_header_is_refused_and_an_endless_line_of_body_is_not() {
        let line = [&b"X-Long: "[..], &vec![b'y'; HEADER_MAX_BYTES]].concat();
        assert_eq!(read(&line), Err(InjectError::HeaderTooLong));
        let many = b"X: y\n".repeat(HEADER_MAX_BYTES / 5 + 1);
        assert_eq!(read(&many), Err(InjectError::HeaderTooLong));
        let binary = vec![0xffu8; HEADER_MAX_BYTES + 10];
        let (fields, body) = read(&binary).unwrap();
        assert!(fields.is_empty());
        assert_eq!(body.len(), binary.len() + 2);
    }
}
