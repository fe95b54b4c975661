//! Who sends: the From field and the envelope sender that a message gets when it names none (qmail-inject(8)).

use crate::environment::Environment;
use crate::error::InjectError;
use crate::rewrite::Rewriter;
use address::quote::needs_quotes;
use message::address_list;
use message::token::{Token, lex, regenerate, unquote};

/// The letters of `QMAILINJECT`. Unknown ones are ignored.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Switches {
    /// `c`: the name goes into a comment behind the address.
    pub name_in_comment: bool,
    /// `s`: an incoming Return-Path is deleted and not looked at.
    pub delete_return_path: bool,
    /// `f`: an incoming From is deleted.
    pub delete_from: bool,
    /// `i`: an incoming Message-ID is deleted.
    pub delete_message_id: bool,
    /// `r`: a return path per recipient.
    pub per_recipient: bool,
    /// `m`: a return path per message.
    pub per_message: bool,
}

impl Switches {
    /// Reads the variable.
    pub fn read(letters: &[u8]) -> Self {
        let has = |letter| letters.contains(&letter);
        Self {
            name_in_comment: has(b'c'),
            delete_return_path: has(b's'),
            delete_from: has(b'f'),
            delete_message_id: has(b'i'),
            per_recipient: has(b'r'),
            per_message: has(b'm'),
        }
    }
}

/// What the environment says about the sender.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Author {
    user: Vec<u8>,
    host: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    sender_user: Vec<u8>,
    sender_host: Option<Vec<u8>>,
    /// What `QMAILINJECT` asks for.
    pub switches: Switches,
}

/// When the program started, and its process id: what makes a sender or an id unique.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start {
    /// Seconds since 1970.
    pub seconds: u64,
    /// Process id.
    pub pid: u32,
    /// Random.
    pub random: u64,
}

impl Start {
    /// This process, now.
    pub fn now() -> Self {
        use std::hash::BuildHasher;
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            seconds: since_1970.map_or(0, |time| time.as_secs()),
            pid: std::process::id(),
            // The standard library seeds its hash tables with random keys of the system.
            random: std::hash::RandomState::new().hash_one(std::process::id()),
        }
    }
}

impl Author {
    /// Reads the variables.
    pub fn read(environment: &Environment) -> Self {
        let user = environment.first(&["QMAILUSER", "MAILUSER", "USER", "LOGNAME"]).unwrap_or(b"anonymous");
        let host = environment.first(&["QMAILHOST", "MAILHOST"]);
        Self {
            user: user.to_vec(),
            host: host.map(<[u8]>::to_vec),
            name: environment.first(&["QMAILNAME", "MAILNAME", "NAME"]).map(<[u8]>::to_vec),
            sender_user: environment.value("QMAILSUSER").unwrap_or(user).to_vec(),
            sender_host: environment.value("QMAILSHOST").or(host).map(<[u8]>::to_vec),
            switches: Switches::read(environment.value("QMAILINJECT").unwrap_or_default()),
        }
    }

    /// The whole From field.
    pub fn from_field(&self, rewriter: &Rewriter<'_>) -> Result<Vec<u8>, InjectError> {
        let user = self.user.as_slice();
        let user = if needs_quotes(user) { Token::Quoted(user.into()) } else { Token::Atom(user.into()) };
        let mut mailbox = vec![user];
        push_host(&mut mailbox, self.host.as_deref());
        let value = match self.name.as_deref() {
            None => mailbox,
            Some(name) if self.switches.name_in_comment => {
                mailbox.push(Token::Comment(name.into()));
                mailbox
            }
            Some(name) => {
                let mut value = vec![Token::Quoted(name.into()), Token::Left];
                value.append(&mut mailbox);
                value.push(Token::Right);
                value
            }
        };
        rewritten(b"From", &value, rewriter, &mut |_| {})
    }

    /// The envelope sender.
    pub fn sender(&self, start: Start, rewriter: &Rewriter<'_>) -> Result<Vec<u8>, InjectError> {
        let mut user = self.sender_user.clone();
        if self.switches.per_message {
            user.extend_from_slice(format!("-{}.{}", start.seconds, start.pid).as_bytes());
        }
        if self.switches.per_recipient {
            user.push(b'-');
        }
        let mut value = vec![Token::Quoted(user.into())];
        push_host(&mut value, self.sender_host.as_deref());
        let mut sender = None;
        rewritten(b"Return-Path", &value, rewriter, &mut |address| {
            sender.get_or_insert_with(|| self.return_path(address));
        })?;
        Ok(sender.unwrap_or_default())
    }

    /// What an address in a Return-Path makes the sender.
    pub fn return_path(&self, address: &[Token<'_>]) -> Vec<u8> {
        let mut sender = unquote(address);
        if self.switches.per_recipient {
            sender.extend_from_slice(b"-@[]");
        }
        sender
    }
}

/// A host from the environment is a text that has still to be cut into tokens.
fn push_host<'a>(value: &mut Vec<Token<'a>>, host: Option<&'a [u8]>) {
    if let Some(host) = host {
        value.extend([Token::At, Token::Atom(host.into())]);
    }
}

/// The field of these tokens, with all its addresses completed and shown to `see`.
fn rewritten(
    name: &[u8],
    value: &[Token<'_>],
    rewriter: &Rewriter<'_>,
    see: &mut dyn FnMut(&[Token<'_>]),
) -> Result<Vec<u8>, InjectError> {
    let field = regenerate(name, value);
    let text = field.get(name.len().saturating_add(1)..).unwrap_or_default();
    let completed = lex(text).ok().and_then(|tokens| {
        let list = address_list::rewrite(tokens, &mut |address| {
            rewriter.rewrite(address);
            see(address);
        });
        list.ok().map(|list| regenerate(name, &list))
    });
    completed.ok_or(InjectError::UnparsableField(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Start = Start { seconds: 1_000_000_000, pid: 77, random: 5 };

    /// From field and sender under these variables.
    fn author(variables: &[(&str, &str)]) -> (String, String) {
        let environment =
            variables.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        let author = Author::read(&environment);
        let rewriter = Rewriter::new(b"@dh", b".dd.example", b".plus.example").unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(author.from_field(&rewriter).unwrap()), text(author.sender(START, &rewriter).unwrap()))
    }

    #[test]
    fn who_sends_by_the_environment() {
        let (dh, list) = ("joe@dh.dd.example", "joe-@dh.dd.example-@[]");
        for (variables, from, sender) in [
            (&[][..], "From: anonymous@dh.dd.example\n", "anonymous@dh.dd.example"),
            (&[("USER", "joe")], "From: joe@dh.dd.example\n", dh),
            (&[("USER", "joe"), ("QMAILUSER", "q")], "From: q@dh.dd.example\n", "q@dh.dd.example"),
            (&[("USER", "joe"), ("NAME", "J, D")], "From: \"J, D\" <joe@dh.dd.example>\n", dh),
            (
                &[("USER", "joe"), ("NAME", "J (D)"), ("QMAILINJECT", "c")],
                "From: joe@dh.dd.example (J \\(D\\))\n",
                dh,
            ),
            (&[("USER", "a b")], "From: \"a b\"@dh.dd.example\n", "a b@dh.dd.example"),
            (&[("USER", "joe"), ("QMAILHOST", "h.x")], "From: joe@h.x\n", "joe@h.x"),
            (&[("USER", "joe"), ("QMAILINJECT", "r")], "From: joe@dh.dd.example\n", list),
            (
                &[("USER", "joe"), ("QMAILINJECT", "mr"), ("QMAILSHOST", "s.x")],
                "From: joe@dh.dd.example\n",
                "joe-1000000000.77-@s.x-@[]",
            ),
        ] {
            assert_eq!(author(variables), (from.to_owned(), sender.to_owned()), "{variables:?}");
        }
    }

    #[test]
    fn a_host_that_is_no_host_is_complained_about() {
        let mut environment = Environment::default();
        environment.set("QMAILHOST", b"x>");
        let rewriter = Rewriter::new(b"@dh", b".dd", b".plus").unwrap();
        assert_eq!(
            Author::read(&environment).from_field(&rewriter),
            Err(InjectError::UnparsableField(b"From: anonymous@x>\n".to_vec()))
        );
    }
}
