//! A queue as the machine's actions leave it on disk, and peers that answer at random, after random delays.
//!
//! What a crash takes is the machine and all that was under way; what stays is the disk.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use contracts::QueueId;
use contracts::clean::CleanRequest;
use contracts::spawn::Outcome;
use schedule::{
    Action, Burial, Channel, Config, Event, Found, Note, Now, Piece, Recipient, Schedule, Seconds, Then, Todo,
};

const START: Seconds = 1_800_000_000;

/// xorshift: the same seed is the same week.
pub struct Dice(u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[derive(Default, Clone)]
pub struct OnDisk {
    pub mess: bool,
    todo: Option<Vec<(Channel, String)>>,
    todo_born: Seconds,
    info: Option<Seconds>,
    channels: [Option<Vec<(String, bool)>>; 2],
    due: [Seconds; 2],
    bounce: Vec<String>,
}

#[derive(Default, Debug)]
pub struct Fate {
    pub delivered: u32,
    pub bounced: u32,
    /// Crashes and stops that came while something of it was under way.
    pub disturbed: u32,
    pub born: Seconds,
    pub first_attempt: Option<Seconds>,
}

pub struct World {
    pub dice: Dice,
    pub machine: Option<Schedule>,
    pub disk: BTreeMap<u64, OnDisk>,
    pub fates: BTreeMap<String, Fate>,
    /// Events to come, by time; those of an earlier life are void.
    coming: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, (u32, Event)>,
    life: u32,
    count: u64,
    pub millis: u64,
    flying: BTreeMap<(Channel, u16), String>,
    next_id: u64,
    stopped: bool,
    pub trouble_percent: u64,
    clean_answers: u64,
}

fn at(channel: Channel) -> usize {
    usize::from(channel == Channel::Remote)
}

impl World {
    pub fn new(seed: u64, trouble_percent: u64) -> Self {
        let mut world = Self {
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            machine: None,
            disk: BTreeMap::new(),
            fates: BTreeMap::new(),
            coming: BinaryHeap::new(),
            events: BTreeMap::new(),
            life: 0,
            count: 0,
            millis: 0,
            flying: BTreeMap::new(),
            next_id: 100,
            stopped: false,
            trouble_percent,
            clean_answers: 0,
        };
        world.start();
        world
    }

    fn now(&self) -> Now {
        Now { wall: START + self.millis / 1000, steady: self.millis }
    }

    pub fn start(&mut self) {
        self.life += 1;
        self.stopped = false;
        for address in std::mem::take(&mut self.flying).into_values() {
            self.fates.get_mut(&address).unwrap().disturbed += 1;
        }
        // Delivered, and not yet marked or removed, for which a system error leaves two minutes.
        for message in self.disk.values().filter(|message| message.mess) {
            let queued = message.todo.iter().flatten().map(|(_, address)| address);
            let unmarked = message.channels.iter().flatten().flatten().filter(|(_, done)| !done);
            for address in queued.chain(unmarked.map(|(address, _)| address)) {
                let fate = self.fates.get_mut(address).unwrap();
                fate.disturbed += u32::from(fate.delivered > 0);
            }
        }
        let (machine, actions) =
            Schedule::start(Config { concurrency: [3, 8], ..Config::default() }, self.now());
        self.machine = Some(machine);
        actions.into_iter().for_each(|action| self.carry_out(action));
    }

    fn later(&mut self, delay: u64, event: Event) {
        self.count += 1;
        self.coming.push(Reverse((self.millis + delay, self.count)));
        self.events.insert(self.count, (self.life, event));
    }

    fn soon(&mut self, event: Event) {
        let delay = 1 + self.dice.roll(40);
        self.later(delay, event);
    }

    pub fn tell(&mut self, event: Event) {
        let now = self.now();
        if let Some(machine) = &mut self.machine {
            let actions = machine.handle(event, now);
            actions.into_iter().for_each(|action| self.carry_out(action));
        }
    }

    fn inject(&mut self, recipients: Vec<(Channel, String)>) {
        // Numbers are used again, as inodes are.
        let id = (100..).find(|id| !self.disk.contains_key(id)).unwrap();
        self.next_id = id;
        for (_, address) in &recipients {
            self.fates.insert(address.clone(), Fate { born: self.now().wall, ..Fate::default() });
        }
        let born = self.now().wall;
        self.disk
            .insert(id, OnDisk { mess: true, todo: Some(recipients), todo_born: born, ..OnDisk::default() });
        if self.dice.roll(10) > 0 {
            self.tell(Event::Hint(QueueId(id)));
        } else {
            self.tell(Event::ScanWanted);
        }
    }

    fn trouble(&mut self) -> bool {
        self.dice.roll(100) < self.trouble_percent
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Log(Note::Starting { recipient, .. }) => {
                let wall = self.now().wall;
                let fate = self.fates.get_mut(std::str::from_utf8(&recipient).unwrap()).unwrap();
                fate.first_attempt.get_or_insert(wall);
            }
            Action::Log(Note::OutOfRange) => panic!("a report for nobody"),
            Action::Log(_) => {}
            Action::ScanTodo { .. } => {
                let ids =
                    self.disk.iter().filter(|(_, m)| m.todo.is_some()).map(|(id, _)| QueueId(*id)).collect();
                self.soon(Event::TodoFound { ids, end: true });
            }
            Action::ScanInfo => {
                let found = self.disk.iter().filter(|(_, m)| m.todo.is_none() && m.info.is_some());
                let found = found.map(|(id, m)| {
                    let due = [0, 1].map(|c| m.channels[c].is_some().then_some(m.due[c]));
                    Found::Message { id: QueueId(*id), due }
                });
                let found = found.collect();
                self.soon(Event::InfoFound { found, end: true });
            }
            Action::Examine(_) => unreachable!(),
            Action::Sweep { .. } => {
                let orphan = |(_, m): &(&u64, &OnDisk)| m.todo.is_none() && m.info.is_none();
                // As if all were old: only the living can be harmed by a wrong sweep, and they are not orphans.
                let orphans: Vec<_> = self.disk.iter().filter(orphan).map(|(id, _)| QueueId(*id)).collect();
                self.soon(Event::Swept { orphans, end: true });
            }
            Action::ReadTodo(id) => {
                let todo = self.read_todo(id);
                self.soon(Event::Todo(id, todo));
            }
            Action::Settle { id, recipients, birth, .. } => {
                let ok = !self.trouble();
                if ok {
                    let message = self.disk.get_mut(&id.0).unwrap();
                    message.info = Some(birth);
                    for (at, recipients) in recipients.into_iter().enumerate() {
                        let file = recipients.iter().map(|a| (String::from_utf8(a.to_vec()).unwrap(), false));
                        message.channels[at] = Some(file.collect::<Vec<_>>()).filter(|file| !file.is_empty());
                        message.due[at] = birth;
                    }
                }
                self.soon(Event::Settled(id, ok));
            }
            Action::Open { id, channel, offset } => {
                let piece = self.open(id, channel, offset);
                self.soon(Event::Piece(id, channel, piece));
            }
            Action::Deliver { channel, slot, recipient, .. } => {
                let address = String::from_utf8(recipient.to_vec()).unwrap();
                self.attempt(channel, slot, address);
            }
            Action::Record { id, channel, offset, failure } => {
                if failure.is_some() && self.trouble() {
                    let unrecorded = schedule::Unrecorded { offset, failure };
                    return self.soon(Event::Recorded(id, channel, Err(unrecorded)));
                }
                let message = self.disk.get_mut(&id.0).unwrap();
                if let Some(failure) = failure {
                    message.bounce.push(String::from_utf8(failure.recipient.to_vec()).unwrap());
                }
                message.channels[at(channel)].as_mut().unwrap()[offset as usize].1 = true;
                self.soon(Event::Recorded(id, channel, Ok(())));
            }
            Action::CloseChannel(id, channel) => {
                let ok = !self.trouble();
                if ok {
                    let file = self.disk.get_mut(&id.0).unwrap().channels[at(channel)].take();
                    // Only a message that was delivered while it moved to S5 goes without its mark.
                    let unmarked = file.into_iter().flatten().filter(|(_, done)| !done);
                    for (address, _) in unmarked {
                        assert!(self.fates[&address].delivered > 0, "{address} is thrown away");
                    }
                }
                self.soon(Event::ChannelClosed(id, channel, ok));
            }
            Action::Bury(id) => {
                let burial = match self.disk.get_mut(&id.0) {
                    _ if self.dice.roll(100) < self.trouble_percent => Burial::Trouble,
                    Some(m) if m.channels == [None, None] && m.todo.is_none() && m.info.is_some() => {
                        if m.bounce.is_empty() {
                            m.info = None;
                            Burial::Ended
                        } else {
                            Burial::BounceWaits
                        }
                    }
                    _ => Burial::NotDead,
                };
                self.soon(Event::Buried(id, burial));
            }
            Action::Bounce(id) => {
                let ok = !self.trouble();
                if ok {
                    let message = self.disk.get_mut(&id.0).unwrap();
                    message.info = None;
                    for address in std::mem::take(&mut message.bounce) {
                        self.fates.get_mut(&address).unwrap().bounced += 1;
                    }
                }
                self.soon(Event::Bounced(id, ok));
            }
            Action::Clean(request) => {
                let ok = !self.trouble();
                match request {
                    CleanRequest::Envelope(id) if ok => {
                        if let Some(message) = self.disk.get_mut(&id.0) {
                            message.todo = None;
                            if !message.mess {
                                self.disk.remove(&id.0);
                            }
                        }
                    }
                    CleanRequest::Message(id) if ok => {
                        self.remove_message_file(id);
                    }
                    _ => {}
                }
                // qmail-clean answers in order.
                self.clean_answers = self.clean_answers.max(self.millis) + 1 + self.dice.roll(40);
                self.later(self.clean_answers - self.millis, Event::Cleaned(request, ok));
            }
            Action::SaveTimes(times) => {
                for (id, channel, due) in times {
                    self.disk.get_mut(&id.0).unwrap().due[at(channel)] = due;
                }
                self.soon(Event::TimesSaved);
            }
            Action::SetAside(_) => unreachable!(),
            Action::Exit => self.stopped = true,
        }
    }

    fn remove_message_file(&mut self, id: QueueId) {
        let Some(message) = self.disk.get_mut(&id.0) else { return };
        message.mess = false;
        assert!(message.info.is_none() || message.todo.is_some(), "{id} is removed alive");
        // A todo file that could not be removed outlives a message that was delivered.
        for (_, address) in message.todo.iter().flatten() {
            assert!(self.fates[address].delivered > 0, "{address} is thrown away");
        }
        if message.todo.is_none() {
            self.disk.remove(&id.0);
        }
    }

    fn read_todo(&mut self, id: QueueId) -> Todo {
        if self.trouble() {
            return Todo::Trouble;
        }
        let Some(message) = self.disk.get_mut(&id.0) else { return Todo::Gone };
        let Some(recipients) = message.todo.clone() else { return Todo::Gone };
        if !message.mess {
            return Todo::NoMessage;
        }
        message.info = None;
        message.channels = [None, None];
        if (1..20).contains(&recipients.len()) {
            let mut few = <[Vec<Recipient>; 2]>::default();
            for (channel, address) in &recipients {
                let few = &mut few[at(*channel)];
                few.push(Recipient { offset: few.len() as u64, address: address.as_bytes().into() });
            }
            let sender = Arc::from(&b"s@x"[..]);
            return Todo::Few { sender, recipients: few, birth: message.todo_born };
        }
        message.info = Some(message.todo_born);
        for (channel, address) in recipients {
            message.channels[at(channel)].get_or_insert_with(Vec::new).push((address, false));
        }
        Todo::Settled { channels: [0, 1].map(|c| message.channels[c].is_some()) }
    }

    fn open(&mut self, id: QueueId, channel: Channel, offset: u64) -> Piece {
        if self.trouble() {
            return Piece::Trouble;
        }
        let Some(message) = self.disk.get(&id.0) else { return Piece::Gone };
        let Some(birth) = message.info else { return Piece::Gone };
        let all = message.channels[at(channel)].clone().unwrap_or_default();
        let here: Vec<_> = all.iter().enumerate().skip(offset as usize).take(5).collect();
        let next = offset + here.len() as u64;
        let recipients = here.into_iter().filter(|(_, (_, done))| !done).map(|(offset, (address, _))| {
            Recipient { offset: offset as u64, address: address.as_bytes().into() }
        });
        let then = if next as usize == all.len() { Then::End } else { Then::More(next) };
        Piece::Read { sender: Arc::from(&b"s@x"[..]), birth, recipients: recipients.collect(), then }
    }

    fn attempt(&mut self, channel: Channel, slot: u16, address: String) {
        assert!(slot < [3, 8][at(channel)], "slot {slot}");
        assert!(self.flying.insert((channel, slot), address.clone()).is_none(), "slot {slot} is taken");
        let outcome = match self.dice.roll(10) {
            _ if address.starts_with("dead") => Outcome::Deferred,
            0..5 => Outcome::Delivered,
            5..8 => Outcome::Deferred,
            8 => Outcome::Mangled,
            _ => Outcome::Failed,
        };
        // What counts is what the world saw, reported or not.
        if outcome == Outcome::Delivered {
            self.fates.get_mut(&address).unwrap().delivered += 1;
        }
        let delay = if self.dice.roll(4) == 0 { self.dice.roll(90_000) } else { self.dice.roll(500) };
        self.later(1 + delay, Event::Report { channel, slot, outcome, text: b"text\n".to_vec() });
    }

    /// Lets time pass until `end`, or until nothing more happens.
    pub fn pass_until(&mut self, end: u64) {
        while self.millis < end {
            let sleep = self.machine.as_ref().map_or(u64::MAX, |m| m.sleep_millis(self.now()).max(1));
            let tick = self.millis.saturating_add(sleep);
            match self.coming.peek() {
                Some(&Reverse((time, count))) if time <= tick && time <= end => {
                    self.coming.pop();
                    self.millis = self.millis.max(time);
                    let (life, event) = self.events.remove(&count).unwrap();
                    if life != self.life {
                        continue;
                    }
                    if let Event::Report { channel, slot, .. } = &event {
                        self.flying.remove(&(*channel, *slot));
                    }
                    self.tell(event);
                    if self.stopped {
                        self.start();
                    }
                }
                _ => {
                    self.millis = tick.min(end);
                    self.tell(Event::Tick);
                }
            }
        }
    }

    pub fn random_message(&mut self, number: u64) {
        let count = match self.dice.roll(10) {
            0..7 => 1,
            7 => 0,
            8 => 2 + self.dice.roll(3),
            _ => 10 + self.dice.roll(20),
        };
        let recipients = (0..count).map(|n| {
            let channel = if self.dice.roll(2) == 0 { Channel::Local } else { Channel::Remote };
            let kind = if self.dice.roll(12) == 0 { "dead" } else { "live" };
            (channel, format!("{kind}-{number}-{n}@d{}.example", number % 7))
        });
        let recipients = recipients.collect();
        self.inject(recipients);
    }
}
