//! Lists of patterns: control/badrcptto and its family (contract 16.1).
//!
//! A line is a POSIX extended regular expression, as regcomp(3) of the GNU library reads it, without regard to case, found
//! anywhere in the subject; a leading `!` turns it round: what does not match is refused. What is different: no back
//! references, collating symbols or equivalence classes. They are matched in time linear in the subject.

use control::{Control, ControlError, Warning};
use regex::bytes::{Regex, RegexBuilder};

/// Lines of one file that count.
pub const PATTERNS_MAX: usize = 10_000;

/// The longest pattern.
pub const PATTERN_MAX_BYTES: usize = 1024;

/// What one pattern may take when compiled: `(a{99}){99}` is short, too.
const COMPILED_MAX_BYTES: usize = 256 << 10;

/// One file's lines.
#[derive(Debug, Default)]
pub struct Patterns(Vec<Pattern>);

#[derive(Debug)]
struct Pattern {
    line: Vec<u8>,
    is_negated: bool,
    regex: Regex,
}

impl Patterns {
    /// Reads control/`name`. A line that is no pattern is reported and does not count: the others are still wanted.
    pub fn read(control: &Control, name: &str, warn: &mut dyn FnMut(Warning)) -> Result<Self, ControlError> {
        let mut patterns = Vec::new();
        for (line, value) in control.numbered_list(name)?.unwrap_or_default() {
            if patterns.len() >= PATTERNS_MAX {
                warn(wrong(name, line, value, &format!("among the first {PATTERNS_MAX} patterns")));
                break;
            }
            match Pattern::parse(&value) {
                Some(pattern) => patterns.push(pattern),
                None => warn(wrong(name, line, value, "a regular expression of ours, or is too large")),
            }
        }
        Ok(Self(patterns))
    }

    /// The first line that refuses `subject`.
    pub fn refusing(&self, subject: &[u8]) -> Option<&[u8]> {
        let refuses = |pattern: &&Pattern| pattern.regex.is_match(subject) != pattern.is_negated;
        self.0.iter().find(refuses).map(|pattern| pattern.line.as_slice())
    }
}

fn wrong(file: &str, line: usize, value: Vec<u8>, accepted: &str) -> Warning {
    Warning {
        file: file.to_owned(),
        line,
        value,
        accepted: accepted.to_owned(),
        used: "nothing in its place".to_owned(),
    }
}

impl Pattern {
    fn parse(line: &[u8]) -> Option<Self> {
        if line.len() > PATTERN_MAX_BYTES {
            return None;
        }
        let (is_negated, expression) = line.strip_prefix(b"!").map_or((false, line), |rest| (true, rest));
        let regex = RegexBuilder::new(&translated(expression)?)
            .case_insensitive(true)
            .unicode(false)
            .size_limit(COMPILED_MAX_BYTES)
            .dfa_size_limit(COMPILED_MAX_BYTES)
            .build()
            .ok()?;
        Some(Self { line: line.to_vec(), is_negated, regex })
    }
}

/// The names between `[:` and `:]`.
const CLASSES: [&str; 12] = [
    "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
    "xdigit",
];

/// A POSIX extended regular expression in the language of the regex crate.
fn translated(expression: &[u8]) -> Option<String> {
    let mut out = String::new();
    let mut rest = expression;
    // Nothing stands before: a repetition repeats nothing, and the GNU library passes over it.
    let mut is_at_start = true;
    // Where the groups that are open begin, and what a repetition would repeat.
    let (mut groups, mut atom, mut is_repeated) = (Vec::new(), 0, false);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let is_interval = byte == b'{' && rest.first().is_some_and(u8::is_ascii_digit);
        if is_interval || matches!(byte, b'*' | b'+' | b'?') {
            if is_at_start && !is_interval {
                continue;
            }
            // A repetition of a repetition: a mark right behind one would only say how eager it is.
            if is_repeated {
                out.insert_str(atom, "(?:");
                out.push(')');
            }
            is_repeated = true;
            if is_interval {
                rest = interval(&mut out, rest)?;
            } else {
                out.push(char::from(byte));
            }
            is_at_start = false;
            continue;
        }
        is_repeated = false;
        atom = out.len();
        match byte {
            b'\\' => {
                let (&escaped, after) = rest.split_first()?;
                rest = after;
                match escaped {
                    b'0'..=b'9' => return None,
                    b'w' | b'W' | b's' | b'S' | b'b' | b'B' | b'<' | b'>' => {
                        out.push('\\');
                        out.push(char::from(escaped));
                    }
                    other => push_literal(&mut out, other),
                }
            }
            b'[' => rest = bracket(&mut out, rest)?,
            b'{' => out.push_str("\\{"),
            b'(' if rest.starts_with(b"?") => return None,
            b'(' => {
                groups.push(out.len());
                out.push('(');
            }
            b')' => {
                atom = groups.pop()?;
                out.push(')');
            }
            b'|' | b'.' | b'^' | b'$' => out.push(char::from(byte)),
            other => push_literal(&mut out, other),
        }
        is_at_start = matches!(byte, b'(' | b'|');
    }
    Some(out)
}

/// What follows `{`; gives what follows the closing `}`.
fn interval<'a>(out: &mut String, expression: &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr::memchr(b'}', expression)?;
    let interval = std::str::from_utf8(expression.get(..end)?).ok()?;
    let is_interval = interval.bytes().all(|b| b.is_ascii_digit() || b == b',');
    out.push_str(&format!("{{{}}}", is_interval.then_some(interval)?));
    expression.get(end.checked_add(1)?..)
}

/// What follows `[`; gives what follows the closing `]`.
fn bracket<'a>(out: &mut String, expression: &'a [u8]) -> Option<&'a [u8]> {
    out.push('[');
    let mut rest = expression;
    if let Some(after) = rest.strip_prefix(b"^") {
        out.push('^');
        rest = after;
    }
    // A `]` that comes first is one of the set.
    let mut is_first = true;
    // The last byte may begin a range.
    let mut may_begin = false;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b']' if !is_first => {
                out.push(']');
                return Some(rest);
            }
            b'[' if rest.starts_with(b":") => {
                let end = memchr::memmem::find(rest, b":]")?;
                let name = CLASSES.into_iter().find(|class| rest.get(1..end) == Some(class.as_bytes()))?;
                out.push_str(&format!("[:{name}:]"));
                rest = rest.get(end.checked_add(2)?..)?;
                may_begin = false;
            }
            b'[' if rest.starts_with(b".") || rest.starts_with(b"=") => return None,
            b'-' if may_begin && !rest.starts_with(b"]") => {
                let (&last, after) = rest.split_first()?;
                rest = after;
                out.push('-');
                push_literal(out, last);
                may_begin = false;
            }
            other => {
                push_literal(out, other);
                may_begin = true;
            }
        }
        is_first = false;
    }
}

/// A byte that stands for itself, outside and inside brackets.
fn push_literal(out: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() {
        out.push(char::from(byte));
    } else {
        out.push_str(&format!("\\x{byte:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refuses(line: &str, subject: &str) -> bool {
        let patterns = Patterns(vec![Pattern::parse(line.as_bytes()).unwrap_or_else(|| panic!("{line}"))]);
        patterns.refusing(subject.as_bytes()).is_some()
    }

    #[test]
    fn expressions_mean_what_they_mean_to_regcomp() {
        for (line, subject, refused) in [
            ("@spam.dom", "x@SPAM.dom", true),
            ("@spam.dom", "x@spamxdom.example", true),
            ("@spam\\.dom$", "x@spam.dom.example", false),
            ("^x@", "xx@y", false),
            ("!@", "nobody", true),
            ("!@", "a@b", false),
            ("!.*\\.example$", "a@b.example", false),
            ("*@x\\.example", "y@x.example", true),
            ("(a|b)+@", "c@x", false),
            ("(a|*b)@", "b@x", true),
            ("a{2,3}@", "aa@x", true),
            ("a{2,3}@", "a@x", false),
            ("^a+?@", "@x", true),
            ("^(xa{2}?b)?*@", "xaabxb@y", true),
            ("{a@", "{a@x", true),
            ("[[:digit:]]{4}", "ab1234@x", true),
            ("[]x]y", "]y", true),
            ("[^]x]y", "]y", false),
            ("[a\\]", "\\", true),
            ("[a-]@", "-@x", true),
            ("[--/]@", ".@x", true),
            ("[a&&b]@", "&@x", true),
            ("[a[b]@", "[@x", true),
            ("\\(x\\)", "(x)", true),
            ("\\@x", "a@x", true),
            ("a b", "a b@x", true),
            ("%", "a%b@x", true),
        ] {
            assert_eq!(refuses(line, subject), refused, "{line} {subject}");
        }
        let patterns = Patterns(vec![Pattern::parse(b"\xff[\xfe]").unwrap()]);
        assert!(patterns.refusing(b"a\xff\xfe@x").is_some());
    }

    #[test]
    fn what_is_no_pattern_is_none() {
        for line in [
            "(",
            "a\\",
            "[a",
            "\\(a\\)\\1",
            "(a)\\1",
            "[[.a.]]",
            "[[:nothing:]]",
            "(?i)a",
            "((a{99}){99}){99}",
        ] {
            assert!(Pattern::parse(line.as_bytes()).is_none(), "{line}");
        }
        assert!(Pattern::parse(&[b'a'; PATTERN_MAX_BYTES + 1]).is_none());
    }

    #[test]
    fn a_line_that_is_no_pattern_is_told_and_the_others_count() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("control")).unwrap();
        std::fs::write(home.path().join("control/badrcptto"), "# ours\n(\nspam\n").unwrap();
        let mut warnings = Vec::new();
        let control = Control::at(home.path());
        let patterns = Patterns::read(&control, "badrcptto", &mut |w| warnings.push(w.to_string())).unwrap();
        assert_eq!(patterns.refusing(b"a-SPAM-b@x"), Some(&b"spam"[..]));
        let [warning] = warnings.try_into().unwrap();
        assert!(warning.starts_with("control/badrcptto line 2: \"(\" is not "), "{warning}");
    }

    proptest! {
        #[test]
        fn any_line_is_a_pattern_or_none(line in proptest::collection::vec(any::<u8>(), 0..40), subject: Vec<u8>) {
            if let Some(pattern) = Pattern::parse(&line) {
                let _ = Patterns(vec![pattern]).refusing(&subject);
            }
        }

        /// The setuid program has a matcher of its own for control/taps (decision 42): one language in two places.
        #[test]
        fn an_expression_means_the_same_here_and_in_control_taps(
            line in "([ab@.]|\\\\[.@w]|\\[[ab^-]{1,3}\\]|\\[\\[:alpha:\\]\\]|\\((a|b\\|a|\\^a)\\)|[*+?|^$]|\\{[12](,3?)?\\}){0,7}",
            subject in "[abAB@.-]{0,10}",
        ) {
            let theirs = control::pattern::Pattern::parse(line.as_bytes());
            if let (Some(ours), Some(theirs)) = (Pattern::parse(line.as_bytes()), theirs) {
                let found = Patterns(vec![ours]).refusing(subject.as_bytes()).is_some();
                prop_assert_eq!(found, theirs.is_found_in(subject.as_bytes()), "{}", line);
            }
        }

        #[test]
        fn brackets_hold_what_stands_in_them(set in "[a-z&~^.\\\\\\[-]{1,8}") {
            // With the hyphen last nothing is a range.
            let set = set.replace(['-', '^'], "");
            let line = format!("^[{set}-]$").into_bytes();
            let has_class = set.contains("[.");
            if let (Some(pattern), false) = (Pattern::parse(&line), has_class) {
                let patterns = Patterns(vec![pattern]);
                for byte in 0..=255u8 {
                    let expected = set.as_bytes().iter().any(|b| b.eq_ignore_ascii_case(&byte)) || byte == b'-';
                    prop_assert_eq!(patterns.refusing(&[byte]).is_some(), expected, "{}", byte);
                }
            } else {
                prop_assert!(has_class);
            }
        }
    }
}
