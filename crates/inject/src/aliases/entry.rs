//! One item of an alias, a `.forward` file or a list: what it asks for.

use crate::rewrite::Rewriter;
use message::token::{Token, lex, unquote};

/// What an item asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Forward to this address, complete and unquoted.
    Address(Vec<u8>),
    /// Run this command, `|command`.
    Program(Vec<u8>),
    /// Everybody in this file, `:include:file`.
    Include(Vec<u8>),
    /// Append to this file, `/file`.
    File(Vec<u8>),
}

/// Why an item is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EntryError {
    /// Its tokens are no address.
    #[error("not an address, a |program, an :include:file or a /file")]
    NotAnAddress,
    /// Too long.
    #[error("an address of over 800 bytes")]
    TooLong,
    /// `|` or `:include:` and nothing.
    #[error("a name is missing")]
    Empty,
    /// No line of a file can hold it.
    #[error("a NUL or a line end")]
    Unspeakable,
}

/// Reads one item; `None` for blanks and comments.
pub fn read(item: &[u8], rewriter: &Rewriter<'_>) -> Result<Option<Entry>, EntryError> {
    let item = item.trim_ascii();
    if super::is_blank(item) {
        return Ok(None);
    }
    let entry = match plain(item) {
        Some(special) => special?,
        None => Entry::Address(address(item, rewriter)?),
    };
    let (Entry::Address(text) | Entry::Program(text) | Entry::Include(text) | Entry::File(text)) = &entry;
    if text.iter().any(|b| matches!(b, 0 | b'\n')) {
        return Err(EntryError::Unspeakable);
    }
    match &entry {
        Entry::Address(text) if text.len() >= super::ADDRESS_MAX_BYTES => Err(EntryError::TooLong),
        Entry::Address(_) => Ok(Some(entry)),
        _ if text.is_empty() => Err(EntryError::Empty),
        _ => Ok(Some(entry)),
    }
}

/// An item that is no address: without an at sign outside quotes, and with a mark at its beginning.
fn plain(item: &[u8]) -> Option<Result<Entry, EntryError>> {
    let is_quoted = item.first() == Some(&b'"');
    let text = match lex(item).ok()?.as_slice() {
        [Token::Quoted(text)] if is_quoted => text.to_vec(),
        tokens if tokens.contains(&Token::At) || is_quoted => return None,
        _ => item.to_vec(),
    };
    if let Some(command) = text.strip_prefix(b"|") {
        return Some(Ok(Entry::Program(without_comment(command, is_quoted))));
    }
    if text.starts_with(b"/") {
        return Some(Ok(Entry::File(without_comment(&text, is_quoted))));
    }
    // Blanks in it are accepted, and so are quotes around what follows.
    let rest = [b":".as_slice(), b"include", b":"]
        .iter()
        .try_fold(text.as_slice(), |rest, part| strip_ignoring_case(rest.trim_ascii_start(), part))?;
    let file = match lex(rest).ok()?.as_slice() {
        [Token::Quoted(name)] => name.to_vec(),
        _ => without_comment(rest, is_quoted),
    };
    Some(if file.starts_with(b"/") { Ok(Entry::Include(file)) } else { Err(EntryError::NotAnAddress) })
}

fn strip_ignoring_case<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// A bare word ends where a comment in parentheses begins.
fn without_comment(text: &[u8], is_quoted: bool) -> Vec<u8> {
    let end = text.iter().position(|&b| b == b'(').filter(|_| !is_quoted).unwrap_or(text.len());
    text.get(..end).unwrap_or(text).trim_ascii().to_vec()
}

fn address(item: &[u8], rewriter: &Rewriter<'_>) -> Result<Vec<u8>, EntryError> {
    // `\joe` is joe: a backslash keeps sendmail from looking for aliases, and qmail needs no such sign.
    let item = item.strip_prefix(b"\\").unwrap_or(item);
    let mut tokens = single_address(item).ok_or(EntryError::NotAnAddress)?;
    rewriter.rewrite(&mut tokens);
    let text = unquote(&tokens);
    if text.is_empty() { Err(EntryError::NotAnAddress) } else { Ok(text) }
}

/// The tokens of the one address that `item` holds: `box@host`, or `phrase <box@host>`.
pub(super) fn single_address(item: &[u8]) -> Option<Vec<Token<'_>>> {
    let mut tokens: Vec<_> =
        lex(item).ok()?.into_iter().filter(|token| !matches!(token, Token::Comment(_))).collect();
    if let Some(left) = tokens.iter().position(|token| *token == Token::Left) {
        if tokens.pop() != Some(Token::Right) {
            return None;
        }
        tokens = tokens.split_off(left.checked_add(1)?);
    }
    let is_word = |token: &Token<'_>| matches!(token, Token::Atom(_) | Token::Quoted(_) | Token::Literal(_));
    let beside = tokens.windows(2).any(|pair| pair.iter().all(is_word));
    let strange = tokens.iter().any(|token| !is_word(token) && !matches!(token, Token::At | Token::Dot));
    (!tokens.is_empty() && !beside && !strange).then_some(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aliases::Completion;
    use proptest::prelude::*;

    fn entry(item: &[u8]) -> Result<Option<Entry>, EntryError> {
        let completion = Completion::of("me.example");
        read(item, &completion.rewriter().unwrap())
    }

    #[test]
    fn items_and_what_they_ask_for() {
        for (item, expected) in [
            ("joe", "to joe@me.example"),
            ("joe@host.example", "to joe@host.example"),
            ("Joe Shmoe <joe@host.example>", "to joe@host.example"),
            ("joe (Joe, the man)", "to joe@me.example"),
            ("\"Ann B\" <ann@x.y>", "to ann@x.y"),
            ("\"spaced out\"@x.y", "to spaced out@x.y"),
            ("\\joe", "to joe@me.example"),
            ("b@[192.0.2.1]", "to b@[192.0.2.1]"),
            ("joe@host+", "to joe@host.me.example"),
            ("/file@x.y", "to /file@x.y"),
            ("\"|prog a, b\"", "run prog a, b"),
            ("\"|prog with@at\"", "run prog with@at"),
            ("|/usr/bin/prog -a b (why)", "run /usr/bin/prog -a b"),
            ("|prog@x.y", "to |prog@x.y"),
            ("/var/mail/archive", "file /var/mail/archive"),
            ("\"/a b\"", "file /a b"),
            (":include:/etc/list", "all of /etc/list"),
            (" : Include : /etc/list", "all of /etc/list"),
            ("\":include:/etc/list\"", "all of /etc/list"),
            (":include:\"/etc/a list\"", "all of /etc/a list"),
            ("", "nothing"),
            ("(only a comment)", "nothing"),
            ("a b", "error"),
            ("a: b", "error"),
            ("a;", "error"),
            ("<>", "error"),
            ("|", "error"),
            ("\"unfinished", "error"),
            (":include:relative", "error"),
            ("<a@b", "error"),
        ] {
            let said = |word, text: Vec<u8>| format!("{word} {}", String::from_utf8(text).unwrap());
            let got = match entry(item.as_bytes()) {
                Ok(None) => "nothing".to_owned(),
                Ok(Some(Entry::Address(text))) => said("to", text),
                Ok(Some(Entry::Program(text))) => said("run", text),
                Ok(Some(Entry::Include(text))) => said("all of", text),
                Ok(Some(Entry::File(text))) => said("file", text),
                Err(_) => "error".to_owned(),
            };
            assert_eq!(got, expected, "{item}");
        }
        assert_eq!(entry(&vec![b'a'; 800]), Err(EntryError::TooLong));
    }

    proptest! {
        #[test]
        fn any_item_is_read_and_none_holds_a_nul(item: Vec<u8>) {
            if let Ok(Some(Entry::Address(text) | Entry::Program(text))) = entry(&item) {
                prop_assert!(!text.is_empty() && !text.contains(&0));
            }
        }
    }
}
