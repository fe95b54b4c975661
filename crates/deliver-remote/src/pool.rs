//! Connections that wait for the next message to the same address, and how many an address may have.
//!
//! A [`Place`] is the right to one connection; an open connection holds its place, idle or not. Whoever is done
//! hands connection or place to the one who has waited longest, so nobody waits while a connection idles.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::connection::Connection;

/// How long a connection waits for another message. Short: it also occupies a process on the other side.
pub const IDLE_LIMIT: Duration = Duration::from_secs(5);

/// Messages carried by one connection; many servers end it at 100 (Postfix at 1000, Exim at 1000 by default).
pub const MESSAGES_PER_CONNECTION: u32 = 100;

/// Idle connections to all addresses together.
const MOST_IDLE: usize = 200;

/// What somebody who wants to reach an address gets.
#[derive(Debug)]
pub enum Turn {
    /// A connection that another message has used.
    Reused(Box<Connection>, Place),
    /// The right to make a new one.
    New(Place),
}

/// The right to one connection to an address; given back when dropped.
#[derive(Debug)]
pub struct Place {
    /// Empty where there is no pool to give anything back to.
    pool: Option<Pool>,
    address: SocketAddr,
}

impl Place {
    /// A place that nobody counts, for a process that makes one delivery.
    pub fn uncounted(address: SocketAddr) -> Self {
        Self { pool: None, address }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.give_back(self.address);
        }
    }
}

/// The pool; clones are the same pool. For one thread.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    by_address: Rc<RefCell<HashMap<SocketAddr, Destination>>>,
}

#[derive(Debug, Default)]
struct Destination {
    /// Places given out.
    open: usize,
    idle: Vec<Idle>,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    place: Place,
    since: Instant,
}

impl Pool {
    /// A pool without connections.
    pub fn new() -> Self {
        Self::default()
    }

    /// An idle connection to `address`, the right to a new one, or, where `most` are open, whichever comes first.
    ///
    /// `None` if nothing came within `limit`.
    pub async fn turn(&self, address: SocketAddr, most: usize, limit: Duration) -> Option<Turn> {
        loop {
            let Some(Idle { connection, place, .. }) = self.pop_idle(address) else { break };
            if connection.is_reusable() {
                return Some(Turn::Reused(connection, place));
            }
        }
        let waiting = {
            let mut map = self.by_address.borrow_mut();
            let destination = map.entry(address).or_default();
            if destination.open < most {
                destination.open = destination.open.saturating_add(1);
                None
            } else {
                let (sender, receiver) = oneshot::channel();
                destination.waiting.push_back(sender);
                Some(receiver)
            }
        };
        match waiting {
            None => Some(Turn::New(self.place(address))),
            Some(receiver) => tokio::time::timeout(limit, receiver).await.ok()?.ok(),
        }
    }

    fn place(&self, address: SocketAddr) -> Place {
        Place { pool: Some(self.clone()), address }
    }

    /// Takes a connection that may carry another message; gives it back where it may not.
    pub fn keep(&self, connection: Box<Connection>, place: Place) -> Option<Box<Connection>> {
        if connection.carried() >= MESSAGES_PER_CONNECTION || !connection.is_reusable() {
            return Some(connection);
        }
        let mut turn = Turn::Reused(connection, place);
        while let Some(next) = self.next_waiting(match &turn {
            Turn::Reused(_, place) | Turn::New(place) => place.address,
        }) {
            match next.send(turn) {
                Ok(()) => return None,
                Err(unwanted) => turn = unwanted, // That one has given up waiting.
            }
        }
        let Turn::Reused(connection, place) = turn else { return None };
        let total: usize = self.by_address.borrow().values().map(|one| one.idle.len()).sum();
        if total >= MOST_IDLE {
            return Some(connection);
        }
        let mut map = self.by_address.borrow_mut();
        let idle = Idle { since: Instant::now(), connection, place };
        map.entry(idle.place.address).or_default().idle.push(idle);
        None
    }

    /// Takes out connections that have idled too long, or all. They want a goodbye.
    pub fn expired(&self, all: bool) -> Vec<Connection> {
        let mut expired = Vec::new();
        for destination in self.by_address.borrow_mut().values_mut() {
            let is_old =
                |idle: &mut Idle| all || idle.since.elapsed() >= IDLE_LIMIT || !idle.connection.is_reusable();
            expired.extend(destination.idle.extract_if(.., is_old));
        }
        // Places are given back here, when the map is no longer borrowed.
        expired.into_iter().map(|idle| *idle.connection).collect()
    }

    /// Connections that wait for a message.
    pub fn idle(&self) -> usize {
        self.by_address.borrow().values().map(|one| one.idle.len()).sum()
    }

    fn pop_idle(&self, address: SocketAddr) -> Option<Idle> {
        self.by_address.borrow_mut().get_mut(&address)?.idle.pop()
    }

    fn next_waiting(&self, address: SocketAddr) -> Option<oneshot::Sender<Turn>> {
        self.by_address.borrow_mut().get_mut(&address)?.waiting.pop_front()
    }

    fn give_back(&self, address: SocketAddr) {
        while let Some(next) = self.next_waiting(address) {
            match next.send(Turn::New(self.place(address))) {
                Ok(()) => return, // The place has gone from hand to hand.
                // That one has given up waiting; the place stays counted for the next.
                Err(Turn::New(mut place) | Turn::Reused(_, mut place)) => place.pool = None,
            }
        }
        let mut map = self.by_address.borrow_mut();
        if let Some(destination) = map.get_mut(&address) {
            destination.open = destination.open.saturating_sub(1);
            if destination.open == 0 && destination.idle.is_empty() && destination.waiting.is_empty() {
                map.remove(&address);
            }
        }
    }
}
