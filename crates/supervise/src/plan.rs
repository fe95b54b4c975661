//! When to start, stop and kill what: a machine without processes or clock.
//!
//! A unit is what lives and dies together. The delivery unit is four processes: when the first of them dies, the
//! others are told to end, and when the last one has, the unit may start again.

use std::time::Duration;

/// What is started as one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// The administrator's logger.
    Logger,
    /// `qmail-queued`.
    Queue,
    /// `qmail-send`, its spawners, and `qmail-clean`.
    Delivery,
    /// `qmail-smtpd --listen`.
    Smtp,
}

/// In the order of starting; stopping goes backwards.
pub const UNITS: [Unit; 4] = [Unit::Logger, Unit::Queue, Unit::Delivery, Unit::Smtp];

/// Time since the supervisor started.
pub type Moment = Duration;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A member of the unit died, or could not be started. Others may still live.
    Died(Unit),
    /// No member of the unit lives.
    Gone(Unit),
    /// We are asked to stop; the second time at once.
    Terminate,
    /// Time has passed.
    Tick,
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Start all members.
    Start(Unit),
    /// Ask all members to end.
    Stop(Unit),
    /// Kill what is left of it.
    Kill(Unit),
    /// Tell that the unit, of which a member has just died, will be started again after this time.
    SayAgainIn(Unit, Duration),
    /// Everything has ended: leave.
    Leave,
}

/// Wait this long before the first new start.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Twice as long each time, up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A unit that ran this long has proved itself: the next wait is the first again.
const STEADY: Duration = Duration::from_secs(60);
/// What is left of a unit that lost a member, and does not end, is killed after this time. Deliveries that are cut
/// short by it are made again, as after any crash.
const RUIN_LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Not part of this system.
    Absent,
    /// To be started at this time.
    Waiting { until: Moment },
    /// All members live, as far as we know.
    Running { since: Moment },
    /// A member has died; to be started again not before `until`.
    Ruined { until: Moment, kill_at: Moment },
    /// We have asked it to end.
    Stopping { kill_at: Option<Moment> },
    /// It has ended and stays so.
    Stopped,
}

/// The state of all units.
#[derive(Debug)]
pub struct Plan {
    units: [(State, Duration); UNITS.len()],
    terminating: bool,
}

impl Plan {
    /// A system with these units, none of them started yet.
    pub fn new(present: impl Fn(Unit) -> bool) -> Self {
        let state = |unit| match present(unit) {
            true => State::Waiting { until: Moment::ZERO },
            false => State::Absent,
        };
        Self { units: UNITS.map(|unit| (state(unit), FIRST_WAIT)), terminating: false }
    }

    /// What is to be done about `event`.
    pub fn handle(&mut self, event: Event, now: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Died(unit) => self.died(unit, now, &mut actions),
            Event::Gone(unit) => self.gone(unit),
            Event::Terminate if self.terminating => {
                actions.extend(UNITS.iter().rev().map(|unit| Action::Kill(*unit)));
            }
            Event::Terminate => self.terminating = true,
            Event::Tick => {}
        }
        self.overdue(now, &mut actions);
        if self.terminating {
            self.stop_next(now, &mut actions)
        } else {
            self.start_due(now, &mut actions)
        }
        actions
    }

    /// When the next [`Event::Tick`] is due.
    pub fn deadline(&self) -> Option<Moment> {
        self.units
            .iter()
            .filter_map(|(state, _)| match state {
                State::Waiting { until } => Some(*until).filter(|_| !self.terminating),
                State::Ruined { kill_at, .. } => Some(*kill_at),
                State::Stopping { kill_at } => *kill_at,
                State::Absent | State::Running { .. } | State::Stopped => None,
            })
            .min()
    }

    fn died(&mut self, unit: Unit, now: Moment, actions: &mut Vec<Action>) {
        let Some((state, wait)) = self.units.get_mut(unit as usize) else { return };
        let State::Running { since } = *state else { return };
        if now.saturating_sub(since) >= STEADY {
            *wait = FIRST_WAIT;
        }
        let until = now.saturating_add(*wait);
        actions.push(Action::SayAgainIn(unit, *wait));
        actions.push(Action::Stop(unit));
        *wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        *state = State::Ruined { until, kill_at: now.saturating_add(RUIN_LIMIT) };
    }

    fn gone(&mut self, unit: Unit) {
        let Some((state, _)) = self.units.get_mut(unit as usize) else { return };
        *state = match *state {
            State::Ruined { until, .. } => State::Waiting { until },
            State::Stopping { .. } => State::Stopped,
            other => other,
        };
    }

    fn overdue(&mut self, now: Moment, actions: &mut Vec<Action>) {
        for (unit, (state, _)) in UNITS.iter().zip(&mut self.units) {
            match state {
                State::Ruined { kill_at, .. } | State::Stopping { kill_at: Some(kill_at) }
                    if *kill_at <= now =>
                {
                    actions.push(Action::Kill(*unit));
                    *kill_at = now.saturating_add(RUIN_LIMIT);
                }
                _ => {}
            }
        }
    }

    fn start_due(&mut self, now: Moment, actions: &mut Vec<Action>) {
        for (unit, (state, _)) in UNITS.iter().zip(&mut self.units) {
            if matches!(state, State::Waiting { until } if *until <= now) {
                actions.push(Action::Start(*unit));
                *state = State::Running { since: now };
            }
        }
    }

    /// Stops the last unit that lives; the one before it follows when it is gone.
    fn stop_next(&mut self, now: Moment, actions: &mut Vec<Action>) {
        for (unit, (state, _)) in UNITS.iter().zip(&mut self.units).rev() {
            match *state {
                State::Absent | State::Stopped => {}
                State::Waiting { .. } => *state = State::Stopped,
                State::Running { .. } => {
                    actions.push(Action::Stop(*unit));
                    *state =
                        State::Stopping { kill_at: stop_limit(*unit).map(|limit| now.saturating_add(limit)) };
                    return;
                }
                State::Ruined { kill_at, .. } => {
                    *state = State::Stopping { kill_at: Some(kill_at) };
                    return;
                }
                State::Stopping { .. } => return,
            }
        }
        actions.push(Action::Leave);
    }
}

/// How long a unit may take to stop. Running deliveries are waited for, as qmail-send(8) says; whoever cannot wait
/// asks a second time.
fn stop_limit(unit: Unit) -> Option<Duration> {
    match unit {
        Unit::Logger | Unit::Queue => Some(Duration::from_secs(10)),
        Unit::Smtp => Some(Duration::from_secs(60)),
        Unit::Delivery => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Kill, Leave, SayAgainIn, Start, Stop};
    use Event::{Died, Gone, Terminate, Tick};
    use proptest::prelude::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn running() -> Plan {
        let mut plan = Plan::new(|_| true);
        assert_eq!(plan.handle(Tick, s(0)), UNITS.map(Start));
        plan
    }

    #[test]
    fn what_dies_is_started_again_later_each_time_but_within_a_minute() {
        let mut plan = running();
        let (mut now, mut waits) = (s(5), Vec::new());
        for _ in 0..8 {
            let wait = match plan.handle(Died(Unit::Smtp), now)[..] {
                [SayAgainIn(Unit::Smtp, wait), Stop(Unit::Smtp)] => wait,
                ref other => panic!("{other:?}"),
            };
            assert_eq!(plan.handle(Gone(Unit::Smtp), now), []);
            assert_eq!(plan.deadline(), Some(now + wait));
            now += wait;
            assert_eq!(plan.handle(Tick, now), [Start(Unit::Smtp)]);
            waits.push(wait.as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn who_ran_for_a_minute_starts_again_soon() {
        let mut plan = running();
        for (died, again) in [(1, 1), (2, 2), (100, 1), (101, 2)] {
            assert_eq!(plan.handle(Died(Unit::Queue), s(died))[0], SayAgainIn(Unit::Queue, s(again)));
            plan.handle(Gone(Unit::Queue), s(died));
            plan.handle(Tick, s(died + again));
        }
    }

    #[test]
    fn a_unit_starts_again_only_when_its_last_member_is_gone() {
        let mut plan = running();
        plan.handle(Died(Unit::Delivery), s(10));
        assert_eq!(plan.handle(Died(Unit::Delivery), s(10)), []);
        assert_eq!(plan.handle(Tick, s(30)), []);
        assert_eq!(plan.handle(Gone(Unit::Delivery), s(40)), [Start(Unit::Delivery)]);
    }

    #[test]
    fn the_rest_of_a_ruined_unit_is_killed_in_the_end() {
        let mut plan = running();
        plan.handle(Died(Unit::Delivery), s(10));
        assert_eq!(plan.deadline(), Some(s(70)));
        assert_eq!(plan.handle(Tick, s(70)), [Kill(Unit::Delivery)]);
    }

    #[test]
    fn all_stop_in_order_and_then_we_leave() {
        let mut plan = running();
        assert_eq!(plan.handle(Terminate, s(5)), [Stop(Unit::Smtp)]);
        assert_eq!(plan.handle(Gone(Unit::Smtp), s(6)), [Stop(Unit::Delivery)]);
        assert_eq!(plan.handle(Tick, s(6000)), []);
        assert_eq!(plan.handle(Gone(Unit::Delivery), s(6000)), [Stop(Unit::Queue)]);
        assert_eq!(plan.handle(Tick, s(6010)), [Kill(Unit::Queue)]);
        assert_eq!(plan.handle(Gone(Unit::Queue), s(6011)), [Stop(Unit::Logger)]);
        assert_eq!(plan.handle(Gone(Unit::Logger), s(6012)), [Leave]);
    }

    #[test]
    fn nothing_is_started_while_stopping() {
        let mut plan = running();
        plan.handle(Died(Unit::Smtp), s(5));
        plan.handle(Gone(Unit::Smtp), s(5));
        assert_eq!(plan.handle(Terminate, s(5)), [Stop(Unit::Delivery)]);
        plan.handle(Died(Unit::Queue), s(6));
        assert_eq!(plan.handle(Gone(Unit::Queue), s(6)), []);
        assert_eq!(plan.handle(Gone(Unit::Delivery), s(100)), [Stop(Unit::Logger)]);
    }

    #[test]
    fn asked_twice_it_kills() {
        let mut plan = running();
        plan.handle(Terminate, s(5));
        assert_eq!(
            plan.handle(Terminate, s(6))[..4],
            [Kill(Unit::Smtp), Kill(Unit::Delivery), Kill(Unit::Queue), Kill(Unit::Logger)]
        );
    }

    proptest! {
        #[test]
        fn whatever_happens_it_can_be_left(events in prop::collection::vec((0..10usize, 0..100u64), 0..60)) {
            let mut plan = Plan::new(|_| true);
            let mut now = s(0);
            for (event, seconds) in events {
                now += s(seconds);
                let unit = UNITS[event % 4];
                plan.handle(match event { 0..4 => Died(unit), 4..8 => Gone(unit), _ => Tick }, now);
            }
            plan.handle(Terminate, now);
            let left = (0..8).any(|n| {
                now += s(1);
                plan.handle(Gone(UNITS[n % 4]), now).contains(&Leave) || plan.handle(Gone(UNITS[3 - n % 4]), now).contains(&Leave)
            });
            prop_assert!(left);
        }
    }
}
