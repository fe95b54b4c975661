//! One delivery from its arguments to its output: what qmail-remote(8) is.
//!
//! ```text
//! addresses checked -> targets found -> each target: idle connection, else tcpto, connect, session
//!                   -> the first that takes or refuses the message decides -> records
//! ```

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use address::quote::quoted;
use contracts::remote_worker::{OUTPUT_MAX_BYTES, Transaction};
use dns::{Random, Servers};
use smtp::reply::KEPT_TEXT_BYTES;
use tokio::time::Instant;

use crate::connection::{Connection, Unconnected, dial};
use crate::failures::{Failure, Failures};
use crate::message_source::MessageSource;
use crate::name_servers::NameServers;
use crate::outcome::{Outcome, Verdict};
use crate::pool::{Place, Pool, Turn};
use crate::qmtp::{self, Addresses};
use crate::session::{Envelope, Introduction};
use crate::settings::{Settings, Watched};
use crate::targets::Protocol;
use crate::tcpto::{Attempt, Standing, TimeoutTable};
use crate::{targets, text};

/// Own addresses are asked for again after this.
const OWN_ADDRESSES_KEPT: Duration = Duration::from_secs(5);

/// Output that is not copies of the servers' words: sentences and letters.
const SENTENCES_BYTES: usize = 32 * 1024;

/// What a delivery leaves.
#[derive(Debug)]
pub struct Delivered {
    /// The records of qmail-remote(8): recipients in order as far as it got, then the message; each ends with NUL.
    pub output: Vec<u8>,
    /// Connections that are no longer needed and want a goodbye, after the output has been passed on.
    pub leftover: Vec<Connection>,
}

/// Everything deliveries share. For one thread.
#[derive(Debug)]
pub struct Deliverer {
    settings: RefCell<Watched>,
    name_servers: NameServers,
    random: RefCell<Random>,
    own: RefCell<Option<(Instant, Vec<IpAddr>)>>,
    tcpto: TimeoutTable,
    failures: RefCell<Failures>,
    pool: Option<Pool>,
}

/// The records of a delivery that made no connection, or `None`.
type EndedEarly = Vec<u8>;

impl Deliverer {
    /// For the installation at `home`. With a pool, connections are kept for the next message.
    pub fn new(home: &Path, pool: Option<Pool>) -> Self {
        Self::asking(home, pool, Servers::from_environment(os::home::is_rootless()))
    }

    /// The same, with these name servers.
    pub fn asking(home: &Path, pool: Option<Pool>, servers: Servers) -> Self {
        let tcpto = TimeoutTable::at(home, std::process::id());
        Self {
            failures: RefCell::new(Failures::new(tcpto.avoid_seconds())),
            settings: RefCell::new(Watched::new(home)),
            name_servers: NameServers::new(servers, PathBuf::from("/etc/resolv.conf")),
            random: RefCell::new(Random::new()),
            own: RefCell::new(None),
            tcpto,
            pool,
        }
    }

    /// Tells the log about a control file. Only of the warm form is descriptor 2 the log's; a single delivery has
    /// somebody's who expects nothing there.
    fn complain(&self, what: &dyn std::fmt::Display) {
        if self.pool.is_some() {
            let _ = writeln!(io::stderr(), "qmail-remote: warning: {what}");
        }
    }

    /// Delivers `message` to all recipients of `transaction`, in one SMTP transaction.
    pub async fn deliver(&self, transaction: &Transaction, message: File) -> Delivered {
        let refused: Vec<Option<Vec<u8>>> =
            transaction.recipients.iter().map(|one| uncarriable(one)).collect();
        let mut leftover = Vec::new();
        let outcome = self.attempt(transaction, &refused, message, &mut leftover).await;
        Delivered { output: output(&refused, outcome), leftover }
    }

    async fn attempt(
        &self,
        transaction: &Transaction,
        refused: &[Option<Vec<u8>>],
        message: File,
        leftover: &mut Vec<Connection>,
    ) -> Result<(IpAddr, Outcome), EndedEarly> {
        if let Some(sentence) = uncarriable(&transaction.sender) {
            return Err([b"D", sentence.as_slice()].concat());
        }
        let carriable = transaction.recipients.iter().zip(refused).filter(|(_, refused)| refused.is_none());
        let bare: Vec<&[u8]> = carriable.map(|(recipient, _)| recipient.as_slice()).collect();
        let recipients: Vec<Vec<u8>> = bare.iter().map(|recipient| quoted(recipient)).collect();
        let addresses = Addresses { sender: &transaction.sender, recipients: bare };
        if recipients.is_empty() {
            return Err(b"D".to_vec());
        }
        let now = std::time::Instant::now();
        let mut warn = |warning| self.complain(&warning);
        let settings = self.settings.borrow_mut().at(now, &mut warn).map_err(|error| {
            self.complain(&error);
            text::NO_CONTROLS.to_vec()
        })?;
        if let Err(wrong) = &settings.sources {
            return Err(text::wrong_control(wrong));
        }
        let message = MessageSource::open(message).map_err(|_| text::UNREADABLE_MESSAGE.to_vec())?;
        let resolver = self.name_servers.resolver(now).ok_or_else(|| text::NO_RESOURCES.to_vec())?;
        let mut random = Random::seeded(self.random.borrow_mut().draw());
        let own = || self.own_addresses();
        let targets =
            targets::find(&transaction.sender, &transaction.host, &settings, &resolver, &mut random, own)
                .await?;
        let envelope = Envelope {
            sender: quoted(&transaction.sender),
            recipients,
            size_bytes: message.size_bytes,
            eight_bit: message.eight_bit,
        };
        let patience =
            settings.reply_limit.saturating_mul(2).saturating_add(settings.connect_limit.saturating_mul(5));
        let (begin, mut last) = (Instant::now(), None);
        for target in targets {
            let tried = match target.protocol {
                Protocol::Smtp => {
                    self.try_address(target.address, &settings, &envelope, &message, leftover).await
                }
                Protocol::Qmtp => {
                    self.try_qmtp(target.address, &settings, &addresses, &message, leftover).await
                }
            };
            match tried {
                Ok(outcome) => {
                    let is_final = !outcome.permits_another_address();
                    last = Some((target.address.ip(), outcome));
                    if is_final {
                        break;
                    }
                }
                Err(Unconnected::NoResources) if last.is_none() => return Err(text::NO_RESOURCES.to_vec()),
                Err(_) => {}
            }
            // Many addresses, each of them slow, must not hold a slot for days (D65).
            if begin.elapsed() > patience {
                break;
            }
        }
        last.ok_or_else(|| text::NO_CONNECTION.to_vec())
    }

    /// One address: over a connection that is there, else over a new one.
    async fn try_address(
        &self,
        target: SocketAddr,
        settings: &Settings,
        envelope: &Envelope,
        message: &MessageSource,
        leftover: &mut Vec<Connection>,
    ) -> Result<Outcome, Unconnected> {
        let turn = match &self.pool {
            Some(pool) => pool
                .turn(target, settings.connections_per_address, settings.connect_limit)
                .await
                .ok_or(Unconnected::Crowded)?,
            None => Turn::New(Place::uncounted(target)),
        };
        let place = match turn {
            Turn::New(place) => place,
            Turn::Reused(mut connection, place) => {
                let outcome = connection.transact(envelope, message).await;
                if !is_stale(&outcome) {
                    self.put_away(connection, place, leftover);
                    return Ok(outcome);
                }
                leftover.push(*connection);
                place
            }
        };
        let mut connection = self.connect(target, Introduction::Extended, settings).await?;
        let mut outcome = connection.transact(envelope, message).await;
        if connection.was_lost_at_ehlo()
            && let Ok(plain) = self.connect(target, Introduction::Plain, settings).await
        {
            connection = plain;
            outcome = connection.transact(envelope, message).await;
        }
        self.put_away(connection, place, leftover);
        Ok(outcome)
    }

    /// As [`Deliverer::try_address`], in QMTP and always over a new connection.
    async fn try_qmtp(
        &self,
        target: SocketAddr,
        settings: &Settings,
        addresses: &Addresses<'_>,
        message: &MessageSource,
        leftover: &mut Vec<Connection>,
    ) -> Result<Outcome, Unconnected> {
        let place = match &self.pool {
            Some(pool) => pool
                .turn(target, settings.connections_per_address, settings.connect_limit)
                .await
                .ok_or(Unconnected::Crowded)?,
            None => Turn::New(Place::uncounted(target)),
        };
        let place = match place {
            Turn::New(place) => place,
            // One of SMTP: the same port is in smtproutes, too.
            Turn::Reused(connection, place) => {
                leftover.push(*connection);
                place
            }
        };
        let stream = self.attend(target, dial(target, settings)).await?;
        let outcome = qmtp::transact(stream, addresses, message, settings.reply_limit).await;
        drop(place);
        Ok(outcome)
    }

    async fn connect(
        &self,
        target: SocketAddr,
        introduction: Introduction,
        settings: &Settings,
    ) -> Result<Box<Connection>, Unconnected> {
        self.attend(target, Connection::open(target, introduction, settings)).await.map(Box::new)
    }

    /// Connects unless `target` has failed too often and too lately, and remembers how that went.
    async fn attend<C>(
        &self,
        target: SocketAddr,
        open: impl Future<Output = Result<C, Unconnected>>,
    ) -> Result<C, Unconnected> {
        let (ip, now) = (target.ip(), unix_seconds());
        let standing = self.tcpto.standing(ip, now);
        if standing == Standing::Avoid {
            return Err(Unconnected::Avoided);
        }
        let since = self.failures.borrow().avoided_since(target, now);
        match since {
            Some(since) if self.tcpto.was_cleared_after(since) => self.failures.borrow_mut().forget(target),
            Some(_) => return Err(Unconnected::Avoided),
            None => {}
        }
        let opened = open.await;
        let attempt = match opened {
            Err(Unconnected::TimedOut) => Attempt::TimedOut,
            _ => Attempt::Answered,
        };
        let now = unix_seconds();
        self.tcpto.note(ip, attempt, standing, now);
        let mut failures = self.failures.borrow_mut();
        match &opened {
            Err(Unconnected::TimedOut) => failures.failed(target, Failure::TimedOut, now),
            Err(Unconnected::Refused) => failures.failed(target, Failure::Refused, now),
            Err(_) => {}
            Ok(_) => failures.forget(target),
        }
        drop(failures);
        opened
    }

    fn put_away(&self, connection: Box<Connection>, place: Place, leftover: &mut Vec<Connection>) {
        match &self.pool {
            Some(pool) => leftover.extend(pool.keep(connection, place).map(|connection| *connection)),
            None => leftover.push(*connection),
        }
    }

    fn own_addresses(&self) -> std::io::Result<Vec<IpAddr>> {
        let mut known = self.own.borrow_mut();
        if let Some((since, addresses)) =
            known.as_ref().filter(|(since, _)| since.elapsed() < OWN_ADDRESSES_KEPT)
        {
            let _ = since;
            return Ok(addresses.clone());
        }
        let addresses = os::interfaces::addresses()?;
        *known = Some((Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}

/// A reused connection that was about to end says nothing about the message: a new one is made.
fn is_stale(outcome: &Outcome) -> bool {
    outcome.going_away || matches!(outcome.verdict, Verdict::Died { possible_duplicate: false })
}

/// Why an address cannot be put in an SMTP command, or `None` where it can (D63).
fn uncarriable(address: &[u8]) -> Option<Vec<u8>> {
    address.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)).then(|| text::uncarriable(address))
}

/// Puts the records together. `refused` has an entry for each recipient.
fn output(refused: &[Option<Vec<u8>>], outcome: Result<(IpAddr, Outcome), EndedEarly>) -> Vec<u8> {
    let share = OUTPUT_MAX_BYTES.saturating_sub(SENTENCES_BYTES) / refused.len().max(1);
    let mut out = Vec::new();
    let mut push = |record: &[u8]| {
        out.extend_from_slice(record);
        out.push(0);
    };
    match outcome {
        Ok((ip, outcome)) => {
            let mut records = outcome.recipient_records(ip, share.min(KEPT_TEXT_BYTES));
            for refused in refused {
                match refused {
                    Some(sentence) => push(&[b"h", sentence.as_slice()].concat()),
                    None => match records.next() {
                        Some(record) => push(&record),
                        None => break, // So far it got, and no farther.
                    },
                }
            }
            let mut message = Vec::new();
            outcome.message_record(ip, &mut message);
            push(&message);
        }
        Err(message) => {
            // Recipients that cannot be carried have that as their result, whatever else is the matter.
            for sentence in refused.iter().map_while(Option::as_ref) {
                push(&[b"h", sentence.as_slice()].concat());
            }
            push(&message);
        }
    }
    out
}

/// Seconds since 1970, as the table keeps them.
fn unix_seconds() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u32::try_from(now & u64::from(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Recipient;
    use smtp::reply::Reply;

    fn accepted() -> Reply {
        Reply { code: Some(250), text: b"250 ok\n".to_vec() }
    }

    #[test]
    fn an_address_with_a_line_end_is_refused_by_its_name_and_the_others_go_on() {
        let refused = [None, uncarriable(b"a\r\nDATA@x"), None];
        let outcome = Outcome {
            recipients: vec![Recipient::Accepted, Recipient::Accepted],
            verdict: Verdict::Accepted(accepted()),
            going_away: false,
        };
        let records = output(&refused, Ok(("192.0.2.1".parse().unwrap(), outcome)));
        assert_eq!(
            String::from_utf8(records).unwrap(),
            "r\0hSorry, the address a\\r\\nDATA@x has a line break or NUL in it. (#5.1.3)\n\0r\0\
             K192.0.2.1 accepted message.\nRemote host said: 250 ok\n\0"
        );
    }

    #[test]
    fn the_output_of_a_hundred_refusals_fits() {
        let refused = vec![None; 100];
        let reply = Reply { code: Some(550), text: [b"550 ", &[b'x'; KEPT_TEXT_BYTES][..]].concat() };
        let recipients = vec![Recipient::Refused(reply); 100];
        let outcome = Outcome { recipients, verdict: Verdict::NoRecipient, going_away: false };
        let records = output(&refused, Ok(("2001:db8::1".parse().unwrap(), outcome)));
        assert!(records.len() <= OUTPUT_MAX_BYTES);
        assert_eq!(records.iter().filter(|byte| **byte == 0).count(), 101);
    }
}
