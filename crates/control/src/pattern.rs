//! POSIX extended regular expressions, matched in time linear in the subject whatever the pattern: for programs that link
//! next to nothing, qmail-queue among them.
//!
//! As regcomp(3) of the GNU library reads them, without regard to case, found anywhere. What is different: no back
//! references, collating symbols or equivalence classes; a closing parenthesis without its opening one is an error.
//!
//! A pattern becomes a list of steps, and all ways through it are followed side by side, a byte at a time.

/// The longest pattern.
pub const PATTERN_MAX_BYTES: usize = 1024;

/// Parentheses in parentheses.
const DEPTH_MAX: usize = 40;

/// Repetitions of repetitions, without parentheses: `a**`.
const REPEATED_MAX: usize = 3;

/// What a pattern may become: `(a{99}){99}` is short, too.
const STEPS_MAX: usize = 4096;

/// The largest number between braces.
const INTERVAL_MAX: u32 = 255;

/// A set of bytes.
type Set = [bool; 256];

/// A pattern that can be matched.
#[derive(Debug, Clone)]
pub struct Pattern {
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    /// One byte of these, then the next step.
    Byte(Box<Set>),
    /// Nothing, if this is such a place; then the next step.
    Place(Place),
    /// The next step, or that one.
    Fork(usize),
    /// That step.
    Jump(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    End,
    WordBoundary,
    NoWordBoundary,
    WordStart,
    WordEnd,
}

/// A part of a pattern.
enum Part {
    Byte(Box<Set>),
    Place(Place),
    Sequence(Vec<Part>),
    Either(Vec<Part>),
    Repeat { part: Box<Part>, least: u32, most: Option<u32> },
}

impl Pattern {
    /// Reads it. `None`: it is no expression of ours, or too large.
    pub fn parse(expression: &[u8]) -> Option<Self> {
        if expression.len() > PATTERN_MAX_BYTES || expression.contains(&0) {
            return None;
        }
        let mut parser = Parser { rest: expression };
        let whole = parser.either(0)?;
        if !parser.rest.is_empty() {
            return None;
        }
        let mut program = Program { steps: Vec::new(), left: STEPS_MAX };
        program.add(&whole)?;
        Some(Self { steps: program.steps })
    }

    /// Whether it is found anywhere in `subject`.
    pub fn is_found_in(&self, subject: &[u8]) -> bool {
        let mut now = Ways::new(self.steps.len());
        let mut next = Ways::new(self.steps.len());
        for at in 0..=subject.len() {
            self.follow(0, subject, at, &mut now);
            if now.has_ended {
                return true;
            }
            let Some(&byte) = subject.get(at) else { break };
            for &step in &now.waiting {
                if matches!(self.steps.get(step), Some(Step::Byte(set)) if has(set, byte)) {
                    self.follow(step.saturating_add(1), subject, at.saturating_add(1), &mut next);
                }
            }
            std::mem::swap(&mut now, &mut next);
            next.clear();
        }
        false
    }

    /// Notes every step that waits for the byte at `at`, going from `step`.
    fn follow(&self, step: usize, subject: &[u8], at: usize, ways: &mut Ways) {
        ways.stack.push(step);
        while let Some(step) = ways.stack.pop() {
            match ways.seen.get_mut(step) {
                Some(true) => continue,
                Some(seen) => *seen = true,
                None => {
                    ways.has_ended = true;
                    continue;
                }
            }
            let after = step.saturating_add(1);
            match self.steps.get(step) {
                Some(Step::Byte(_)) => ways.waiting.push(step),
                Some(Step::Place(place)) if place.is_at(subject, at) => ways.stack.push(after),
                Some(Step::Fork(other)) => ways.stack.extend([*other, after]),
                Some(Step::Jump(to)) => ways.stack.push(*to),
                Some(Step::Place(_)) | None => {}
            }
        }
    }
}

/// The ways that lead to one place of the subject.
struct Ways {
    seen: Vec<bool>,
    waiting: Vec<usize>,
    stack: Vec<usize>,
    has_ended: bool,
}

impl Ways {
    fn new(steps: usize) -> Self {
        Self { seen: vec![false; steps], waiting: Vec::new(), stack: Vec::new(), has_ended: false }
    }

    fn clear(&mut self) {
        self.seen.fill(false);
        self.waiting.clear();
        self.has_ended = false;
    }
}

impl Place {
    fn is_at(self, subject: &[u8], at: usize) -> bool {
        let is_word =
            |at: Option<usize>| at.and_then(|at| subject.get(at)).is_some_and(|byte| in_word(*byte));
        let (before, after) = (is_word(at.checked_sub(1)), is_word(Some(at)));
        match self {
            Self::Start => at == 0,
            Self::End => at == subject.len(),
            Self::WordBoundary => before != after,
            Self::NoWordBoundary => before == after,
            Self::WordStart => !before && after,
            Self::WordEnd => before && !after,
        }
    }
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Steps being made, with how many may still come.
struct Program {
    steps: Vec<Step>,
    left: usize,
}

impl Program {
    fn push(&mut self, step: Step) -> usize {
        self.steps.push(step);
        self.steps.len()
    }

    /// Points a step that was made before to where we are now.
    fn land(&mut self, from: usize) {
        let here = self.steps.len();
        let step = from.checked_sub(1).and_then(|from| self.steps.get_mut(from));
        if let Some(Step::Fork(to) | Step::Jump(to)) = step {
            *to = here;
        }
    }

    fn add(&mut self, part: &Part) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        match part {
            Part::Byte(set) => drop(self.push(Step::Byte(set.clone()))),
            Part::Place(place) => drop(self.push(Step::Place(*place))),
            Part::Sequence(parts) => parts.iter().try_for_each(|part| self.add(part))?,
            Part::Either(parts) => {
                let (last, others) = parts.split_last()?;
                let mut jumps = Vec::new();
                for part in others {
                    let fork = self.push(Step::Fork(0));
                    self.add(part)?;
                    jumps.push(self.push(Step::Jump(0)));
                    self.land(fork);
                }
                self.add(last)?;
                jumps.into_iter().for_each(|jump| self.land(jump));
            }
            Part::Repeat { part, least, most } => {
                (0..*least).try_for_each(|_| self.add(part))?;
                let Some(most) = most else {
                    let begin = self.steps.len();
                    let fork = self.push(Step::Fork(0));
                    self.add(part)?;
                    self.push(Step::Jump(begin));
                    self.land(fork);
                    return Some(());
                };
                let mut forks = Vec::new();
                for _ in *least..*most {
                    forks.push(self.push(Step::Fork(0)));
                    self.add(part)?;
                }
                forks.into_iter().for_each(|fork| self.land(fork));
            }
        }
        Some(())
    }
}

struct Parser<'a> {
    rest: &'a [u8],
}

impl Parser<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.next();
        }
        found
    }

    /// Up to the end, or a closing parenthesis.
    fn either(&mut self, depth: usize) -> Option<Part> {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut parts = vec![self.sequence(depth)?];
        while self.skip(b'|') {
            parts.push(self.sequence(depth)?);
        }
        Some(Part::Either(parts))
    }

    fn sequence(&mut self, depth: usize) -> Option<Part> {
        let mut parts = Vec::new();
        // Nothing stands before: a repetition repeats nothing, and the GNU library passes over it.
        while self.skip(b'*') || self.skip(b'+') || self.skip(b'?') {}
        while !matches!(self.rest.first(), None | Some(b'|' | b')')) {
            let mut part = self.atom(depth)?;
            let mut repeated = 0;
            while let Some((least, most)) = self.repetition()? {
                repeated += 1;
                if repeated > REPEATED_MAX {
                    return None;
                }
                part = Part::Repeat { part: Box::new(part), least, most };
            }
            parts.push(part);
        }
        Some(Part::Sequence(parts))
    }

    fn atom(&mut self, depth: usize) -> Option<Part> {
        Some(match self.next()? {
            b'(' => {
                if self.rest.first() == Some(&b'?') {
                    return None; // Somebody means another language.
                }
                let inner = self.either(depth.checked_add(1)?)?;
                if !self.skip(b')') {
                    return None;
                }
                inner
            }
            b'[' => Part::Byte(self.bracket()?),
            b'.' => Part::Byte(Box::new([true; 256])),
            b'^' => Part::Place(Place::Start),
            b'$' => Part::Place(Place::End),
            b'{' if self.rest.first().is_some_and(u8::is_ascii_digit) => return None,
            b'\\' => match self.next()? {
                b'0'..=b'9' => return None,
                b'w' => set_of(in_word),
                b'W' => set_of(|byte| !in_word(byte)),
                b's' => set_of(is_space),
                b'S' => set_of(|byte| !is_space(byte)),
                b'b' => Part::Place(Place::WordBoundary),
                b'B' => Part::Place(Place::NoWordBoundary),
                b'<' => Part::Place(Place::WordStart),
                b'>' => Part::Place(Place::WordEnd),
                byte => set_of(|other| other.eq_ignore_ascii_case(&byte)),
            },
            byte => set_of(|other| other.eq_ignore_ascii_case(&byte)),
        })
    }

    /// `*`, `+`, `?` or numbers in braces; a brace before anything but a digit is itself.
    fn repetition(&mut self) -> Option<Option<(u32, Option<u32>)>> {
        if self.skip(b'*') {
            return Some(Some((0, None)));
        }
        if self.skip(b'+') {
            return Some(Some((1, None)));
        }
        if self.skip(b'?') {
            return Some(Some((0, Some(1))));
        }
        let is_interval = matches!(self.rest, [b'{', digit, ..] if digit.is_ascii_digit());
        if !is_interval {
            return Some(None);
        }
        self.next();
        let least = self.number()?;
        let most = match self.next()? {
            b'}' => return Some(Some((least, Some(least)))),
            b',' if self.skip(b'}') => return Some(Some((least, None))),
            b',' => self.number()?,
            _ => return None,
        };
        (self.skip(b'}') && least <= most).then_some(Some((least, Some(most))))
    }

    fn number(&mut self) -> Option<u32> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        std::str::from_utf8(digits).ok()?.parse().ok().filter(|&number| number <= INTERVAL_MAX)
    }

    /// What follows `[`.
    fn bracket(&mut self) -> Option<Box<Set>> {
        let is_negated = self.skip(b'^');
        let mut set = Box::new([false; 256]);
        // A `]` that comes first is one of the set.
        let mut is_first = true;
        loop {
            let first = self.next()?;
            if first == b']' && !is_first {
                break;
            }
            is_first = false;
            if first == b'[' && matches!(self.rest.first(), Some(b'.' | b'=')) {
                return None;
            }
            if first == b'[' && self.skip(b':') {
                let class = self.class()?;
                insert(&mut set, class);
                continue;
            }
            let last = match self.rest {
                [b'-', b']', ..] | [] => first,
                [b'-', b'[', b'.' | b'=' | b':', ..] => return None,
                [b'-', last, ..] => {
                    let last = *last;
                    self.next();
                    self.next();
                    last
                }
                _ => first,
            };
            if last < first {
                return None;
            }
            insert(&mut set, |byte| (first..=last).contains(&byte));
        }
        // Without regard to case.
        let folded = set.clone();
        insert(&mut set, |byte| {
            has(&folded, byte.to_ascii_lowercase()) || has(&folded, byte.to_ascii_uppercase())
        });
        if is_negated {
            set.iter_mut().for_each(|member| *member = !*member);
        }
        Some(set)
    }

    /// The name of a class, up to `:]`.
    fn class(&mut self) -> Option<fn(u8) -> bool> {
        let end = memchr::memmem::find(self.rest, b":]")?;
        let (name, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(2..)?;
        Some(match name {
            b"alnum" => |byte| byte.is_ascii_alphanumeric(),
            b"alpha" => |byte| byte.is_ascii_alphabetic(),
            b"blank" => |byte| byte == b' ' || byte == b'\t',
            b"cntrl" => |byte| byte.is_ascii_control(),
            b"digit" => |byte| byte.is_ascii_digit(),
            b"graph" => |byte| byte.is_ascii_graphic(),
            b"lower" => |byte| byte.is_ascii_lowercase(),
            b"print" => |byte| byte.is_ascii_graphic() || byte == b' ',
            b"punct" => |byte| byte.is_ascii_punctuation(),
            b"space" => is_space,
            b"upper" => |byte| byte.is_ascii_uppercase(),
            b"xdigit" => |byte| byte.is_ascii_hexdigit(),
            _ => return None,
        })
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn set_of(holds: impl Fn(u8) -> bool) -> Part {
    let mut set = Box::new([false; 256]);
    insert(&mut set, holds);
    Part::Byte(set)
}

fn insert(set: &mut Set, holds: impl Fn(u8) -> bool) {
    for (byte, member) in (0..=u8::MAX).zip(set) {
        *member |= holds(byte);
    }
}

fn has(set: &Set, byte: u8) -> bool {
    set.get(usize::from(byte)).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests;
