//! How qmail-inject completes addresses (qmail-header(5), contract 6.3).
//!
//! `joe` becomes `joe@defaulthost`, a host without a dot gets the default domain, one that ends with a plus the plus
//! domain. Source routes, one trailing dot and one trailing at sign go.

use message::token::{LexError, Token, lex};
use std::borrow::Cow;

/// What addresses are completed with.
#[derive(Debug)]
pub struct Rewriter<'a> {
    host: Vec<Token<'a>>,
    domain: Vec<Token<'a>>,
    plus_domain: Vec<Token<'a>>,
}

impl<'a> Rewriter<'a> {
    /// `at_host` is `@` and the default host; `dot_domain` and `dot_plus_domain` a dot and the default domain or the
    /// plus domain. The error carries the one that cannot be read.
    pub fn new(
        at_host: &'a [u8],
        dot_domain: &'a [u8],
        dot_plus_domain: &'a [u8],
    ) -> Result<Self, (LexError, &'a [u8])> {
        let lexed = |text: &'a [u8]| lex(text).map_err(|error| (error, text));
        // In the order in which the settings are read: the first that is wrong is complained about.
        let domain = lexed(dot_domain)?;
        let host = lexed(at_host)?;
        let plus_domain = lexed(dot_plus_domain)?;
        Ok(Self { host, domain, plus_domain })
    }

    /// Completes one address. `<>` and `anything@[]` stay as they are.
    pub fn rewrite(&self, address: &mut Vec<Token<'a>>) {
        if address.is_empty() || ends_with_empty_literal(address) {
            return;
        }
        remove_route(address);
        address.pop_if(|last| *last == Token::Dot);
        address.pop_if(|last| *last == Token::At);
        if address.is_empty() {
            return;
        }
        if !address.contains(&Token::At) {
            address.extend_from_slice(&self.host);
        }
        if let Some(last) = address.last_mut()
            && remove_plus(last)
        {
            address.extend_from_slice(&self.plus_domain);
        }
        let mut domain = address.iter().rev().take_while(|token| **token != Token::At);
        if !domain.any(|token| matches!(token, Token::Dot | Token::Literal(_))) {
            address.extend_from_slice(&self.domain);
        }
    }
}

fn ends_with_empty_literal(address: &[Token<'_>]) -> bool {
    matches!(address, [.., Token::At, Token::Literal(text)] if text.is_empty())
}

/// `@r1,@r2:box@host` becomes `box@host`; a route without a colon leads nowhere.
fn remove_route(address: &mut Vec<Token<'_>>) {
    if address.first() == Some(&Token::At) {
        let end = address.iter().position(|token| *token == Token::Colon);
        address.drain(..end.map_or(address.len(), |colon| colon.saturating_add(1)));
    }
}

/// Cuts a plus off the end of a bare word.
fn remove_plus(token: &mut Token<'_>) -> bool {
    let Token::Atom(text) = token else { return false };
    match text {
        Cow::Borrowed(bytes) => match bytes.strip_suffix(b"+") {
            Some(without) => *bytes = without,
            None => return false,
        },
        Cow::Owned(bytes) => return bytes.pop_if(|last| *last == b'+').is_some(),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::token::unquote;
    use proptest::prelude::*;

    fn rewritten(text: &[u8]) -> String {
        let rewriter = Rewriter::new(b"@dh", b".dd.example", b".plus.example").unwrap();
        let mut address = lex(text).unwrap();
        rewriter.rewrite(&mut address);
        String::from_utf8_lossy(&unquote(&address)).into_owned()
    }

    #[test]
    fn addresses_and_what_they_become() {
        for (given, expected) in [
            ("", ""),
            ("joe", "joe@dh.dd.example"),
            ("joe@host", "joe@host.dd.example"),
            ("joe@host.x", "joe@host.x"),
            ("joe@host+", "joe@host.plus.example"),
            ("joe+", "joe+@dh.dd.example"),
            ("joe@+", "joe@.plus.example"),
            ("joe@host.x+", "joe@host.x.plus.example"),
            ("joe@[1.2.3.4]", "joe@[1.2.3.4]"),
            ("joe@[]", "joe@[]"),
            ("joe@host.x.", "joe@host.x"),
            ("joe@host@", "joe@host.dd.example"),
            ("joe@", "joe@dh.dd.example"),
            ("@", ""),
            (".", ""),
            ("@r1,@r2:joe@host", "joe@host.dd.example"),
            ("@r1:", ""),
            ("@r1", ""),
            ("a@b.x@c", "a@b.x@c.dd.example"),
            ("a.b", "a.b@dh.dd.example"),
        ] {
            assert_eq!(rewritten(given.as_bytes()), expected, "{given}");
        }
    }

    proptest! {
        #[test]
        fn what_is_complete_stays(local in "[a-z.]{1,8}", host in "[a-z]{1,4}\\.[a-z]{1,4}") {
            prop_assume!(!local.starts_with('.'));
            let address = format!("{local}@{host}");
            prop_assert_eq!(rewritten(address.as_bytes()), address);
        }
    }
}
