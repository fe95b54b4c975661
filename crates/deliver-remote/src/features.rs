//! What a server offers in its answer to EHLO (RFC 5321 §4.1.1.1), as far as we use it.

use smtp::reply::Reply;

/// Extensions that change what we send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// RFC 2920: commands in one write.
    pub pipelining: bool,
    /// RFC 1870: the size may be declared with MAIL.
    pub size: bool,
    /// RFC 6152: a body with 8-bit bytes may be declared.
    pub eight_bit: bool,
}

impl Features {
    /// Reads the answer. Its first line is the server's name.
    pub fn of(reply: &Reply) -> Self {
        let mut features = Self::default();
        for line in reply.lines().skip(1) {
            let keyword =
                line.split(|byte| byte.is_ascii_whitespace() || *byte == b'=').next().unwrap_or_default();
            match keyword.to_ascii_uppercase().as_slice() {
                b"PIPELINING" => features.pipelining = true,
                b"SIZE" => features.size = true,
                b"8BITMIME" => features.eight_bit = true,
                _ => {}
            }
        }
        features
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_read_in_any_case_and_never_from_the_first_line() {
        let reply = |text: &[u8]| Reply { code: Some(250), text: text.to_vec() };
        let all = Features { pipelining: true, size: true, eight_bit: true };
        assert_eq!(Features::of(&reply(b"250-host\n250-pipelining\n250-SIZE 1000\n250 8BitMime\n")), all);
        assert_eq!(Features::of(&reply(b"250 PIPELINING\n")), Features::default());
        assert_eq!(Features::of(&reply(b"250-h\n250 SIZES\n")), Features::default());
    }
}
