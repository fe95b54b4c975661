//! Address lists in header fields: every address is found, shown to a callback that may rewrite it, and put back.
//!
//! Lists are read from right to left, where they need no look-ahead (RFC 822 §6). Phrases, comments and groups are
//! kept; comments move behind the address that they interrupt, and a comma that is missing between two addresses is
//! added.

use crate::token::Token;

/// Why tokens are no address list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ListError {
    /// A group begins inside a group.
    #[error("a group begins inside a group")]
    NestedGroup,
    /// A colon without a semicolon after it.
    #[error("a group has no end")]
    UnfinishedGroup,
    /// `>` without `<`.
    #[error("an angle bracket closes nothing")]
    StrayAngle,
}

/// An address, in reading order. The callback may change it in any way; `<>` is an empty one.
pub type AddressTokens<'a> = Vec<Token<'a>>;

/// Rewrites all addresses of a field's value, the last one first, and returns the new value.
///
/// After an error the callback has already seen the addresses that follow the wrong place.
pub fn rewrite<'a>(
    value: Vec<Token<'a>>,
    callback: &mut dyn FnMut(&mut AddressTokens<'a>),
) -> Result<Vec<Token<'a>>, ListError> {
    let mut list = Reversed { out: Vec::with_capacity(value.len()), address: Vec::new(), callback };
    let mut left = value;
    let mut in_group = false;
    // Whether a word may follow (to the left) without beginning another address.
    let mut word_ok = true;
    while let Some(token) = left.pop() {
        match token {
            Token::Semicolon => {
                list.flush_with_comma();
                if in_group {
                    return Err(ListError::NestedGroup);
                }
                in_group = true;
                word_ok = true;
                list.out.push(token);
            }
            Token::Colon => {
                list.flush();
                if !in_group {
                    return Err(ListError::UnfinishedGroup);
                }
                in_group = false;
                word_ok = true;
                list.out.push(token);
                // The name of the group, back to the comma that ends what stands before it.
                while let Some(token) = left.pop() {
                    let before = token == Token::Comma;
                    list.out.push(token);
                    if before {
                        break;
                    }
                }
            }
            Token::Right => {
                list.flush_with_comma();
                list.out.push(token);
                loop {
                    match left.pop() {
                        None => {
                            list.address_ends();
                            return Err(ListError::StrayAngle);
                        }
                        Some(Token::Left) => break,
                        Some(token) => list.address.push(token),
                    }
                }
                list.address_ends();
                list.out.push(Token::Left);
                while let Some(token) = left.pop_if(|token| is_phrase(token)) {
                    list.out.push(token);
                }
                word_ok = false;
            }
            Token::Atom(_) | Token::Quoted(_) | Token::Literal(_) => {
                if !word_ok {
                    list.flush_with_comma();
                }
                word_ok = false;
                list.address.push(token);
            }
            // A comment is a blank to the grammar.
            Token::Comment(_) => list.out.push(token),
            Token::Comma => {
                list.flush();
                word_ok = true;
                list.out.push(token);
            }
            Token::At | Token::Dot | Token::Left => {
                word_ok = true;
                list.address.push(token);
            }
        }
    }
    list.flush();
    let mut out = list.out;
    out.reverse();
    Ok(out)
}

/// What may stand before `<` and belongs to the name.
fn is_phrase(token: &Token<'_>) -> bool {
    matches!(token, Token::Comment(_) | Token::Atom(_) | Token::Quoted(_) | Token::At | Token::Dot)
}

/// Tokens collected from right to left.
struct Reversed<'a, 'c> {
    out: Vec<Token<'a>>,
    address: Vec<Token<'a>>,
    callback: &'c mut dyn FnMut(&mut AddressTokens<'a>),
}

impl Reversed<'_, '_> {
    fn address_ends(&mut self) {
        self.address.reverse();
        (self.callback)(&mut self.address);
        self.out.extend(self.address.drain(..).rev());
    }

    fn flush(&mut self) {
        if !self.address.is_empty() {
            self.address_ends();
        }
    }

    fn flush_with_comma(&mut self) {
        if !self.address.is_empty() {
            self.address_ends();
            self.out.push(Token::Comma);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{lex, regenerate, unquote};
    use proptest::prelude::*;

    /// The field again, and its addresses in reading order.
    fn read(value: &str) -> Result<(String, Vec<String>), ListError> {
        let mut addresses = Vec::new();
        let tokens = lex(value.as_bytes()).unwrap();
        let list = rewrite(tokens, &mut |address| {
            addresses.push(String::from_utf8_lossy(&unquote(address)).into_owned());
        })?;
        addresses.reverse();
        Ok((String::from_utf8_lossy(&regenerate(b"To", &list)).into_owned(), addresses))
    }

    #[test]
    fn lists_and_their_addresses() {
        for (value, field, addresses) in [
            ("joe ann", "To: joe, ann\n", vec!["joe", "ann"]),
            ("joe(x)@(y)host(z)", "To: joe@host (x) (y) (z)\n", vec!["joe@host"]),
            ("<a@b> c", "To: <a@b>, c\n", vec!["a@b", "c"]),
            ("<a@b> <c@d>", "To: <a@b> <c@d>\n", vec!["a@b", "c@d"]),
            ("Joe <>", "To: Joe <>\n", vec![""]),
            ("friends: joe; , ann@x.y", "To: friends: joe;, ann@x.y\n", vec!["joe", "ann@x.y"]),
            ("joe; ann", "To: joe;, ann\n", vec!["joe", "ann"]),
            ("a (b), g: c;", "To: a (b), g: c;\n", vec!["a", "c"]),
            ("", "To:\n", vec![]),
        ] {
            let addresses: Vec<String> = addresses.into_iter().map(str::to_owned).collect();
            assert_eq!(read(value), Ok((field.to_owned(), addresses)), "{value}");
        }
    }

    #[test]
    fn what_is_no_list() {
        assert_eq!(read("g: a"), Err(ListError::UnfinishedGroup));
        assert_eq!(read("a; b;"), Err(ListError::NestedGroup));
        assert_eq!(read("a>"), Err(ListError::StrayAngle));
    }

    proptest! {
        #[test]
        fn a_regenerated_list_has_the_same_addresses(
            value in "([a-z0-9@.,;: \t<>]|<[a-z@.]{0,6}>|\"[a-z ,]{0,4}\"|\\([a-z]{0,3}\\)|\\[[0-9.]{0,4}\\]){0,30}",
        ) {
            if let Ok((field, addresses)) = read(&value) {
                let (_, again) = read(&field[3..]).unwrap();
                prop_assert_eq!(again, addresses);
            }
        }

        #[test]
        fn any_tokens_are_a_list_or_an_error(text: Vec<u8>) {
            if let Ok(tokens) = lex(&text) {
                let _ = rewrite(tokens, &mut |address| drop(address.pop()));
            }
        }
    }
}
