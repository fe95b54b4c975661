//! One channel: its slots, what waits for them, and who is next.
//!
//! The rules, in the order in which they decide:
//!
//! 1. A quarter of the slots, where there are four or more, is kept for first attempts; retries, recipients of
//!    a message that has its share already, and destinations that have just deferred do not get them. So new
//!    mail never waits for old, and one huge message or one dead domain never fills a channel.
//! 2. First attempts and retries take turns, three to one, while both wait: neither starves.
//! 3. Passes take turns, one delivery each: a long list does not hold up a letter.
//! 4. A destination that has its share of slots waits while another one wants them; when no other does, the
//!    slots are used.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use contracts::QueueId;

use crate::pass::{Class, Pass};
use crate::{Channel, Millis, Recipient, Seconds};

/// A delivery in flight.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) number: u64,
    pub(crate) id: QueueId,
    pub(crate) recipient: Recipient,
    pub(crate) started: Millis,
    /// Counts against what is not reserved.
    low: bool,
    destination: Destination,
}

/// Which deliveries share a fate: those to one domain, or to one local address. A hash.
type Destination = u64;

/// How many passes are looked at for one free slot.
const LOOK_MAX: usize = 64;
/// Destinations that are remembered as having deferred.
const TROUBLED_MAX: usize = 4096;

/// One channel.
#[derive(Debug)]
pub(crate) struct Lane {
    channel: Channel,
    /// Slots; 0 holds the channel.
    pub(crate) concurrency: usize,
    /// Whether its spawner lives.
    pub(crate) alive: bool,
    free: BTreeSet<u8>,
    flights: HashMap<u8, Flight>,
    low_flights: usize,
    /// Messages in S5 by the time of their next attempt.
    pub(crate) due: BinaryHeap<Reverse<(Seconds, QueueId)>>,
    /// Messages in S5 whose first attempt waits for a pass.
    pub(crate) first: VecDeque<QueueId>,
    /// Open passes.
    pub(crate) passes: HashMap<QueueId, Pass>,
    rings: [VecDeque<QueueId>; 2],
    /// Open passes over channel files, first attempts and retries.
    pub(crate) open: [usize; 2],
    loads: HashMap<Destination, usize>,
    troubled: HashSet<Destination>,
    turn: u8,
}

fn index(class: Class) -> usize {
    match class {
        Class::First => 0,
        Class::Again => 1,
    }
}

impl Lane {
    pub(crate) fn new(channel: Channel, concurrency: u8) -> Self {
        Self {
            channel,
            concurrency: usize::from(concurrency),
            alive: true,
            free: (0..concurrency).collect(),
            flights: HashMap::new(),
            low_flights: 0,
            due: BinaryHeap::new(),
            first: VecDeque::new(),
            passes: HashMap::new(),
            rings: Default::default(),
            open: [0; 2],
            loads: HashMap::new(),
            troubled: HashSet::new(),
            turn: 0,
        }
    }

    /// Deliveries in flight.
    pub(crate) fn used(&self) -> usize {
        self.flights.len()
    }

    /// Slots that only first attempts get.
    fn reserve(&self) -> usize {
        self.concurrency / 4
    }

    /// Slots that one message or one destination may have before others come first.
    fn share(&self) -> usize {
        (self.concurrency / 4).max(1)
    }

    /// Passes that may be open over channel files, of each class.
    pub(crate) fn passes_max(&self) -> usize {
        if self.concurrency == 0 { 0 } else { self.concurrency.saturating_mul(2).max(16) }
    }

    /// Whether a pass could be opened for a retry.
    pub(crate) fn takes_retry(&self) -> bool {
        self.alive && self.open[1] < self.passes_max()
    }

    /// Whether a pass could be opened for a first attempt.
    pub(crate) fn takes_first(&self) -> bool {
        self.alive && self.open[0] < self.passes_max()
    }

    /// Adds a pass over a channel file.
    pub(crate) fn open_pass(&mut self, id: QueueId, class: Class) {
        if let Some(open) = self.open.get_mut(index(class)) {
            *open = open.saturating_add(1);
        }
        self.passes.insert(id, Pass::to_read(class));
    }

    /// Takes a pass over a channel file away.
    pub(crate) fn close_pass(&mut self, id: QueueId) -> Option<Pass> {
        let pass = self.passes.remove(&id)?;
        if let Some(open) = self.open.get_mut(index(pass.class)) {
            *open = open.saturating_sub(1);
        }
        Some(pass)
    }

    /// Counts a pass that began in S4 among those over channel files, when it has moved there.
    pub(crate) fn count_pass(&mut self, id: QueueId) {
        if let (Some(pass), [first, again]) = (self.passes.get(&id), &mut self.open) {
            let open = if pass.class == Class::First { first } else { again };
            *open = open.saturating_add(1);
        }
    }

    /// Puts a pass among those with something to start, if it has something.
    pub(crate) fn enrol(&mut self, id: QueueId) {
        let Some(pass) = self.passes.get_mut(&id) else { return };
        if !pass.in_ring && !pass.ready.is_empty() {
            pass.in_ring = true;
            if let Some(ring) = self.rings.get_mut(index(pass.class)) {
                ring.push_back(id);
            }
        }
    }

    /// Passes of first attempts that have not started, S4 included.
    pub(crate) fn first_ready(&self) -> usize {
        self.rings[0].len()
    }

    fn destination(&self, address: &[u8]) -> Destination {
        let key = match (self.channel, address.iter().rposition(|&b| b == b'@')) {
            (Channel::Remote, Some(at)) => address.get(at..).unwrap_or_default(),
            _ => address,
        };
        // FNV-1a. A collision makes two destinations share a limit, no more.
        key.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, b| {
            (hash ^ u64::from(b.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
        })
    }

    /// Starts the next delivery, if there is a slot and somebody may have it.
    pub(crate) fn start(&mut self, number: u64, now: Millis) -> Option<(u8, Flight, Arc<[u8]>)> {
        if !self.alive || self.flights.len() >= self.concurrency {
            return None;
        }
        let slot = *self.free.first()?;
        let order = if self.turn == 3 { [1, 0] } else { [0, 1] };
        let (class, low, destination) = order.into_iter().find_map(|class| self.look(class))?;
        self.turn = (self.turn + 1) % 4;
        // `look` has brought the chosen one to the front.
        let id = self.rings.get_mut(class)?.pop_front()?;
        let pass = self.passes.get_mut(&id)?;
        pass.in_ring = false;
        let recipient = pass.ready.pop_front()?;
        pass.flying = pass.flying.saturating_add(1);
        let sender = pass.sender.clone();
        self.enrol(id);
        self.free.remove(&slot);
        let flight = Flight { number, id, recipient, started: now, low, destination };
        self.low_flights = self.low_flights.saturating_add(usize::from(low));
        let load = self.loads.entry(destination).or_default();
        *load = load.saturating_add(1);
        self.flights.insert(slot, flight.clone());
        Some((slot, flight, sender))
    }

    /// Brings the pass that should start next to the front of its ring.
    fn look(&mut self, class: usize) -> Option<(usize, bool, Destination)> {
        let low_is_full = self.low_flights >= self.concurrency.saturating_sub(self.reserve());
        let share = self.share();
        let mut best: Option<(usize, QueueId, bool, Destination)> = None;
        let count = self.rings.get(class)?.len().min(LOOK_MAX);
        for _ in 0..count {
            let id = *self.rings.get(class)?.front()?;
            let candidate = self.passes.get(&id).and_then(|pass| {
                let destination = self.destination(&pass.ready.front()?.address);
                let hog = pass.flying >= share;
                let low = class == 1 || hog || self.troubled.contains(&destination);
                let load = self.loads.get(&destination).copied().unwrap_or(0);
                Some((load, low, destination))
            });
            match candidate {
                // It has nothing to start after all.
                None => {
                    self.rings.get_mut(class)?.pop_front();
                    if let Some(pass) = self.passes.get_mut(&id) {
                        pass.in_ring = false;
                    }
                    continue;
                }
                Some((_, true, _)) if low_is_full => {}
                Some((load, low, destination)) if load < share => return Some((class, low, destination)),
                Some((load, low, destination)) => {
                    if best.is_none_or(|(least, ..)| load < least) {
                        best = Some((load, id, low, destination));
                    }
                }
            }
            self.rings.get_mut(class)?.rotate_left(1);
        }
        let (_, id, low, destination) = best?;
        let ring = self.rings.get_mut(class)?;
        let at = ring.iter().position(|&other| other == id)?;
        ring.rotate_left(at);
        Some((class, low, destination))
    }

    /// The address of a delivery of this message that is in flight.
    pub(crate) fn in_flight(&self, id: QueueId) -> Option<Arc<[u8]>> {
        let flight = self.flights.values().find(|flight| flight.id == id)?;
        Some(flight.recipient.address.clone())
    }

    /// When a delivery of this message that is in flight began.
    pub(crate) fn started(&self, id: QueueId) -> Option<Millis> {
        self.flights.values().find(|flight| flight.id == id).map(|flight| flight.started)
    }

    /// Frees a slot. `None`: nothing was in flight there.
    pub(crate) fn land(&mut self, slot: u8) -> Option<Flight> {
        let flight = self.flights.remove(&slot)?;
        self.free.insert(slot);
        self.low_flights = self.low_flights.saturating_sub(usize::from(flight.low));
        if let Some(load) = self.loads.get_mut(&flight.destination) {
            *load = load.saturating_sub(1);
            if *load == 0 {
                self.loads.remove(&flight.destination);
            }
        }
        Some(flight)
    }

    /// Remembers whether a destination works.
    pub(crate) fn judge(&mut self, flight: &Flight, deferred: bool) {
        if !deferred {
            self.troubled.remove(&flight.destination);
        } else {
            if self.troubled.len() >= TROUBLED_MAX {
                self.troubled.clear();
            }
            self.troubled.insert(flight.destination);
        }
    }

    /// Lets nothing wait beyond `latest`.
    pub(crate) fn bring_forward(&mut self, latest: Seconds) {
        let waiting = std::mem::take(&mut self.due).into_vec();
        self.due = waiting.into_iter().map(|Reverse((due, id))| Reverse((due.min(latest), id))).collect();
    }
}
