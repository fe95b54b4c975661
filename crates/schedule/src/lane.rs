//! One channel: its slots, what waits for them, and who is next.
//!
//! The rules, in the order in which they decide:
//!
//! 1. A quarter of the slots, where there are four or more, is kept for first attempts. Retries, recipients of
//!    a message that has its share already, destinations that have just deferred, and those that have their share
//!    and have not shown within the last half second that they work quickly stand back and do not get them. So new mail never waits for old, and
//!    one huge message or one dead domain never fills a channel, not even before it is known to be dead.
//! 2. Those who stand back get every fourth start, and have a quarter of the slots while first attempts fill the
//!    others: nobody starves.
//! 3. Passes take turns, one delivery each: a long list does not hold up a letter.
//! 4. A destination that has its share of slots waits while another one wants them; when no other does, one that
//!    works quickly uses all but a sixteenth of them: it may stop working at any moment, and others still pass.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use contracts::QueueId;

use crate::pass::{Class, Pass};
use crate::{Channel, Millis, Recipient, Seconds, Slot};

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

/// How a destination did the last time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// Worked quickly at that time.
    Works(Millis),
    /// Works, and takes its time: it may not have the slots that others will want before it gives them back.
    Slow,
    Defers,
}

/// A delivery that took as long makes its destination a slow one, and after a silence as long nobody knows.
const SLOW_MILLIS: Millis = 500;

/// Results of a channel that may wait to be written down while new deliveries are started, for each of its slots.
const UNRECORDED_PER_SLOT: usize = 4;

/// How many passes are looked at for one free slot.
const LOOK_MAX: usize = 64;
/// Destinations whose last delivery is remembered.
const JUDGED_MAX: usize = 4096;

/// One channel.
#[derive(Debug)]
pub(crate) struct Lane {
    channel: Channel,
    /// Slots; 0 holds the channel.
    pub(crate) concurrency: usize,
    /// Whether its spawner lives.
    pub(crate) alive: bool,
    free: BTreeSet<Slot>,
    flights: HashMap<Slot, Flight>,
    low_flights: usize,
    /// Deliveries that have ended and are not written down yet: if we were killed now they would be repeated, like those in
    /// flight.
    unrecorded: usize,
    /// Messages in S5 by the time of their next attempt.
    pub(crate) due: BinaryHeap<Reverse<(Seconds, QueueId)>>,
    /// Messages in S5 whose first attempt waits for a pass.
    pub(crate) first: VecDeque<QueueId>,
    /// Open passes.
    pub(crate) passes: HashMap<QueueId, Pass>,
    /// Passes with something to start: those that stand in front, those that stand back.
    rings: [VecDeque<QueueId>; 2],
    /// Passes that would be in a ring but for their destination, which has all it may have.
    parked: HashMap<Destination, VecDeque<QueueId>>,
    parked_count: usize,
    /// Open passes over channel files, first attempts and retries.
    pub(crate) open: [usize; 2],
    loads: HashMap<Destination, usize>,
    /// How the last delivery to a destination went.
    standings: HashMap<Destination, Standing>,
    /// The time when this was last asked or told something.
    now: Millis,
    turn: u8,
}

fn index(class: Class) -> usize {
    match class {
        Class::First => 0,
        Class::Again => 1,
    }
}

impl Lane {
    pub(crate) fn new(channel: Channel, concurrency: Slot) -> Self {
        Self {
            channel,
            concurrency: usize::from(concurrency),
            alive: true,
            free: (0..concurrency).collect(),
            flights: HashMap::new(),
            low_flights: 0,
            unrecorded: 0,
            due: BinaryHeap::new(),
            first: VecDeque::new(),
            passes: HashMap::new(),
            rings: Default::default(),
            parked: HashMap::new(),
            parked_count: 0,
            open: [0; 2],
            loads: HashMap::new(),
            standings: HashMap::new(),
            now: 0,
            turn: 0,
        }
    }

    /// Deliveries in flight.
    pub(crate) fn used(&self) -> usize {
        self.flights.len()
    }

    /// A result is to be written down.
    pub(crate) fn records(&mut self) {
        self.unrecorded = self.unrecorded.saturating_add(1);
    }

    /// One has been, or could not be.
    pub(crate) fn recorded(&mut self) {
        self.unrecorded = self.unrecorded.saturating_sub(1);
    }

    /// Slots that one message or one destination may have before others come first.
    fn share(&self) -> usize {
        (self.concurrency / 4).max(1)
    }

    /// Slots that one destination may have when nobody else wants any.
    fn most_for_one(&self) -> usize {
        self.concurrency.saturating_sub(self.concurrency / 16)
    }

    fn is_fresh(&self, worked_at: Millis) -> bool {
        self.now.saturating_sub(worked_at) < SLOW_MILLIS
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
        let Some((low, destination)) = self.place(id) else { return };
        let is_full = self.load(destination) >= self.most_for_one();
        let Some(pass) = self.passes.get_mut(&id).filter(|pass| !pass.in_ring) else { return };
        pass.in_ring = true;
        if is_full {
            self.park(id, destination);
        } else if let Some(ring) = self.rings.get_mut(usize::from(low)) {
            ring.push_back(id);
        }
    }

    fn park(&mut self, id: QueueId, destination: Destination) {
        self.parked_count = self.parked_count.saturating_add(1);
        self.parked.entry(destination).or_default().push_back(id);
    }

    /// A delivery to the destination has come down: one may take its place, or all when it was the last.
    fn unpark(&mut self, destination: Destination) {
        let Some(mut waiting) = self.parked.remove(&destination) else { return };
        let mut count = if self.load(destination) == 0 { waiting.len() } else { 1 };
        while count > 0 {
            let Some(id) = waiting.pop_front() else { return };
            self.parked_count = self.parked_count.saturating_sub(1);
            if let Some(pass) = self.passes.get_mut(&id) {
                pass.in_ring = false;
                self.enrol(id);
                count -= 1;
            }
        }
        if !waiting.is_empty() {
            self.parked.insert(destination, waiting);
        }
    }

    fn load(&self, destination: Destination) -> usize {
        self.loads.get(&destination).copied().unwrap_or(0)
    }

    /// Whether a pass stands back, and where its next delivery goes. `None`: it has none.
    fn place(&self, id: QueueId) -> Option<(bool, Destination)> {
        let pass = self.passes.get(&id)?;
        let destination = self.destination(&pass.ready.front()?.address);
        let load = self.load(destination);
        let doubtful = match self.standings.get(&destination) {
            Some(Standing::Works(at)) if self.is_fresh(*at) => false,
            Some(Standing::Works(_) | Standing::Slow) | None => load >= self.share(),
            Some(Standing::Defers) => true,
        };
        let low = pass.class == Class::Again || pass.flying >= self.share() || doubtful;
        Some((low, destination))
    }

    /// Passes with something to start, those of S4 included.
    pub(crate) fn ready(&self) -> usize {
        self.rings.iter().map(VecDeque::len).fold(self.parked_count, usize::saturating_add)
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
    pub(crate) fn start(&mut self, number: u64, now: Millis) -> Option<(Slot, Flight, Arc<[u8]>)> {
        let unrecorded_max = self.concurrency.saturating_mul(UNRECORDED_PER_SLOT);
        if !self.alive || self.used() >= self.concurrency || self.unrecorded >= unrecorded_max {
            return None;
        }
        self.now = now;
        let slot = *self.free.first()?;
        let order = if self.turn == 3 { [true, false] } else { [false, true] };
        let (low, destination) = order.into_iter().find_map(|low| Some((low, self.look(low)?)))?;
        self.turn = (self.turn + 1) % 4;
        // `look` has brought the chosen one to the front.
        let id = self.rings.get_mut(usize::from(low))?.pop_front()?;
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

    /// Whether those who stand back have all they get for now.
    fn low_is_full(&self) -> bool {
        let reserve = self.concurrency / 4;
        self.used() >= self.concurrency.saturating_sub(reserve) && self.low_flights >= reserve && reserve > 0
    }

    /// Brings the pass that should start next to the front of its ring.
    fn look(&mut self, low: bool) -> Option<Destination> {
        if low && self.low_is_full() {
            return None;
        }
        let (ring, share, most) = (usize::from(low), self.share(), self.most_for_one());
        let mut best: Option<(usize, QueueId, Destination)> = None;
        let count = self.rings.get(ring)?.len();
        let mut looked = 0;
        for _ in 0..count {
            let id = *self.rings.get(ring)?.front()?;
            match self.place(id) {
                // It has nothing to start after all.
                None => {
                    self.rings.get_mut(ring)?.pop_front();
                    if let Some(pass) = self.passes.get_mut(&id) {
                        pass.in_ring = false;
                    }
                    continue;
                }
                // Its message or its destination has lost its place in front.
                Some((true, _)) if !low => {
                    self.rings.get_mut(ring)?.pop_front();
                    self.rings.get_mut(1)?.push_back(id);
                    continue;
                }
                Some((_, destination)) => {
                    let load = self.load(destination);
                    if load < share {
                        return Some(destination);
                    }
                    if load >= most {
                        self.rings.get_mut(ring)?.pop_front();
                        self.park(id, destination);
                        continue;
                    }
                    if best.is_none_or(|(least, ..)| load < least) {
                        best = Some((load, id, destination));
                    }
                }
            }
            self.rings.get_mut(ring)?.rotate_left(1);
            looked += 1;
            if looked == LOOK_MAX {
                break;
            }
        }
        let (_, id, destination) = best?;
        let ring = self.rings.get_mut(ring)?;
        let at = ring.iter().position(|&other| other == id)?;
        ring.rotate_left(at);
        Some(destination)
    }

    /// The deliveries of this message that are in flight.
    pub(crate) fn in_flight(&self, id: QueueId) -> impl Iterator<Item = &Flight> {
        self.flights.values().filter(move |flight| flight.id == id)
    }

    /// Frees a slot. `None`: nothing was in flight there.
    pub(crate) fn land(&mut self, slot: Slot) -> Option<Flight> {
        let flight = self.flights.remove(&slot)?;
        self.free.insert(slot);
        self.low_flights = self.low_flights.saturating_sub(usize::from(flight.low));
        if let Some(load) = self.loads.get_mut(&flight.destination) {
            *load = load.saturating_sub(1);
            if *load == 0 {
                self.loads.remove(&flight.destination);
            }
        }
        self.unpark(flight.destination);
        Some(flight)
    }

    /// Remembers how a destination does.
    pub(crate) fn judge(&mut self, flight: &Flight, deferred: bool, now: Millis) {
        if self.standings.len() >= JUDGED_MAX {
            self.standings.clear();
        }
        self.now = now;
        let standing = match deferred {
            true => Standing::Defers,
            false if now.saturating_sub(flight.started) >= SLOW_MILLIS => Standing::Slow,
            false => Standing::Works(now),
        };
        let before = self.standings.insert(flight.destination, standing);
        let turned = match before {
            Some(Standing::Works(at)) => {
                !self.is_fresh(at) && self.load(flight.destination).saturating_add(1) >= self.share()
            }
            _ => true,
        };
        if turned && matches!(standing, Standing::Works(_)) {
            self.let_forward();
        }
    }

    /// A destination has turned out to work: who stood back for it may go in front.
    fn let_forward(&mut self) {
        let [_, back] = &mut self.rings;
        for id in std::mem::take(back) {
            if let Some(pass) = self.passes.get_mut(&id) {
                pass.in_ring = false;
            }
            self.enrol(id);
        }
    }

    /// Lets nothing wait beyond `latest`.
    pub(crate) fn bring_forward(&mut self, latest: Seconds) {
        let waiting = std::mem::take(&mut self.due).into_vec();
        self.due = waiting.into_iter().map(|Reverse((due, id))| Reverse((due.min(latest), id))).collect();
    }
}
