//! How long a message is on the wire (RFC 1939 §11): octets as the client gets them, without the second dots and the end.
//! The original said how long the file is, so clients that trust it cut messages off (D59).

use std::io::{self, Read};

/// What is read at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Reads a message to its end. `blank_line`: see [`crate::transmission::send`].
pub fn count(message: &mut impl Read, blank_line: bool) -> io::Result<u64> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut octets: usize = if blank_line { 2 } else { 0 };
    let mut is_complete = true;
    loop {
        let bytes = match message.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => piece.get(..count).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        octets = octets.saturating_add(bytes.len()).saturating_add(memchr::memchr_iter(b'\n', bytes).count());
        is_complete = bytes.last() == Some(&b'\n');
    }
    if !is_complete {
        octets = octets.saturating_add(2);
    }
    Ok(u64::try_from(octets).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::count;
    use crate::transmission;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_size_is_what_is_sent(message in "[ab\n\r]{0,24}", blank_line: bool) {
            let mut sent = 0;
            let mut say = |bytes: &[u8]| {
                sent += bytes.len() as u64;
                Ok(())
            };
            transmission::send(&mut message.as_bytes(), None, blank_line, &mut say).unwrap();
            prop_assert_eq!(count(&mut message.as_bytes(), blank_line).unwrap(), sent - 3);
        }
    }
}
