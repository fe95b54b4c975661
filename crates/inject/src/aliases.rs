//! The file formats of other mail servers, as qmail's companions fastforward and dot-forward have them.
//!
//! - [`entry`]: one comma-separated item of such a file: an address, a program, another file
//! - [`alias_file`]: `/etc/aliases`, for newaliases
//! - [`instruction`]: what a forwarding database says, in fastforward's bytes
//! - [`table`]: the same as a text, for setforward and printforward
//! - [`mailing_list`]: lists of addresses in files of their own, for newinclude, setmaillist, printmaillist
//! - [`expansion`]: from an address to everything that is to be done for it
//! - [`fastforward`]: does it
//! - [`dot_forward`]: does what a `.forward` file says
//! - [`conversion`]: from one form to another: newaliases and so on
//! - [`replace`]: a new file in the place of an old one

pub mod alias_file;
pub mod conversion;
pub mod dot_forward;
pub mod entry;
pub mod expansion;
pub mod fastforward;
pub mod instruction;
pub mod mailing_list;
pub mod replace;
mod shell;
pub mod table;

use crate::environment::Environment;
use crate::rewrite::Rewriter;
use crate::settings::Settings;
use message::token::lex;

/// An address longer than this is refused, as in fastforward.
pub const ADDRESS_MAX_BYTES: usize = 800;

/// The largest text that is read: `/etc/aliases`, a `.forward`, a list.
pub const TEXT_MAX_BYTES: u64 = 64 << 20;

/// How addresses are completed: with the control files of the installation, whatever the environment says.
#[derive(Debug)]
pub struct Completion(Settings);

impl Completion {
    /// Reads them; the error is a sentence.
    pub fn read(control: &control::Control) -> Result<Self, String> {
        let settings = Settings::read(control, &Environment::default());
        let settings = settings.map_err(|_| "unable to read controls".to_owned())?;
        let completion = Self(settings);
        completion.rewriter().map(|_| ())?;
        Ok(completion)
    }

    /// For reading entries.
    pub fn rewriter(&self) -> Result<Rewriter<'_>, String> {
        let Settings { at_default_host, dot_default_domain, dot_plus_domain, .. } = &self.0;
        Rewriter::new(at_default_host, dot_default_domain, dot_plus_domain)
            .map_err(|(_, text)| format!("unable to parse this control file: {}", text.escape_ascii()))
    }

    #[cfg(test)]
    fn of(domain: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("me"), domain).unwrap();
        Self::read(&control::Control::in_directory(directory.path().into())).unwrap()
    }
}

/// Cuts a text at its commas, but for those in quotes, comments and angle brackets.
fn items(text: &[u8]) -> Option<Vec<&[u8]>> {
    pieces(text, b',').map(|(pieces, _)| pieces)
}

/// Cuts `text` at every `separator` that is outside quotes, comments, literals and angle brackets. Says also whether
/// there was any. `None`: something has no end.
fn pieces(text: &[u8], separator: u8) -> Option<(Vec<&[u8]>, bool)> {
    let (mut pieces, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    let (mut quoted, mut escaped, mut angle) = (false, false, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' if depth == 0 => quoted = !quoted,
            _ if quoted => {}
            b'(' => depth = depth.checked_add(1)?,
            b')' => depth = depth.checked_sub(1)?,
            _ if depth > 0 => {}
            b'<' => angle = true,
            b'>' => angle = false,
            byte if byte == separator && !angle => {
                pieces.push(text.get(start..at)?);
                start = at.checked_add(1)?;
            }
            _ => {}
        }
    }
    if quoted || depth > 0 || angle {
        return None;
    }
    let any = !pieces.is_empty();
    pieces.push(text.get(start..)?);
    Some((pieces, any))
}

/// Whether nothing but blanks and comments.
fn is_blank(text: &[u8]) -> bool {
    use message::token::Token;
    lex(text).is_ok_and(|tokens| tokens.iter().all(|token| matches!(token, Token::Comment(_))))
}
