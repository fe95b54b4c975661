//! Options as traditional getopt(3) reads them: bundled letters, values in the same or the next argument, `--` ends
//! them, and so does the first argument that is no option.

/// What the next option is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opt {
    /// A letter alone.
    Flag(u8),
    /// A letter with its value.
    Value(u8, Vec<u8>),
    /// A letter that the program does not know.
    Illegal(u8),
    /// A letter without the value that it needs.
    MissingValue(u8),
}

/// Reads the options of a command line, one call at a time.
#[derive(Debug)]
pub struct Options<'a> {
    arguments: &'a [Vec<u8>],
    letters: &'a [u8],
    index: usize,
    position: usize,
}

impl<'a> Options<'a> {
    /// `arguments` without argv\[0\]. `letters` as for getopt(3): a colon after those that need a value.
    pub fn new(arguments: &'a [Vec<u8>], letters: &'a [u8]) -> Self {
        Self { arguments, letters, index: 0, position: 0 }
    }

    /// The arguments that are left, once [`Iterator::next`] has answered `None`.
    pub fn rest(&self) -> &'a [Vec<u8>] {
        self.arguments.get(self.index..).unwrap_or_default()
    }

    /// Passes over what follows the current letter in its argument: an optional value that nobody wants.
    pub fn skip_optional_value(&mut self) {
        self.position = self.arguments.get(self.index).map_or(0, Vec::len);
    }

    fn takes_value(&self, letter: u8) -> Option<bool> {
        let at = self.letters.iter().position(|&known| known == letter && letter != b':')?;
        Some(self.letters.get(at.saturating_add(1)) == Some(&b':'))
    }
}

impl Iterator for Options<'_> {
    type Item = Opt;

    fn next(&mut self) -> Option<Opt> {
        if self.position > 0 && self.arguments.get(self.index)?.len() <= self.position {
            self.index = self.index.saturating_add(1);
            self.position = 0;
        }
        let argument = self.arguments.get(self.index)?;
        if self.position == 0 {
            match argument.as_slice() {
                [b'-'] => return None,
                [b'-', b'-', ..] => {
                    self.index = self.index.saturating_add(1);
                    return None;
                }
                [b'-', ..] => self.position = 1,
                _ => return None,
            }
        }
        let letter = *argument.get(self.position)?;
        self.position = self.position.saturating_add(1);
        match self.takes_value(letter) {
            None => Some(Opt::Illegal(letter)),
            Some(false) => Some(Opt::Flag(letter)),
            Some(true) => {
                let here = argument.get(self.position..).unwrap_or_default();
                self.index = self.index.saturating_add(1);
                self.position = 0;
                if !here.is_empty() {
                    return Some(Opt::Value(letter, here.to_vec()));
                }
                let Some(next) = self.arguments.get(self.index) else {
                    return Some(Opt::MissingValue(letter));
                };
                self.index = self.index.saturating_add(1);
                Some(Opt::Value(letter, next.clone()))
            }
        }
    }
}

/// The complaint about a bad option, as getopt(3) words it; `None` for a good one.
pub fn complaint(program: &[u8], opt: &Opt) -> Option<Vec<u8>> {
    let (words, letter): (&[u8], u8) = match opt {
        Opt::Illegal(letter) => (b": illegal option -- ", *letter),
        Opt::MissingValue(letter) => (b": option requires an argument -- ", *letter),
        Opt::Flag(_) | Opt::Value(..) => return None,
    };
    Some([base_name(program), words, &[letter, b'\n']].concat())
}

/// What follows the last slash of argv\[0\].
pub fn base_name(program: &[u8]) -> &[u8] {
    program.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (Vec<Opt>, Vec<String>) {
        let arguments: Vec<Vec<u8>> = line.split(' ').filter(|a| !a.is_empty()).map(Into::into).collect();
        let mut options = Options::new(&arguments, b"aAhHnNf:E");
        let opts = options.by_ref().take(10).collect();
        (opts, options.rest().iter().map(|a| String::from_utf8(a.clone()).unwrap()).collect())
    }

    #[test]
    fn command_lines() {
        let flags = |letters: &str| letters.bytes().map(Opt::Flag).collect::<Vec<_>>();
        assert_eq!(read("-aH x -n"), (flags("aH"), vec!["x".into(), "-n".into()]));
        assert_eq!(read("-a -- -n"), (flags("a"), vec!["-n".into()]));
        assert_eq!(read("-"), (vec![], vec!["-".into()]));
        assert_eq!(read(""), (vec![], vec![]));
        assert_eq!(read("-fx y"), (vec![Opt::Value(b'f', b"x".into())], vec!["y".into()]));
        assert_eq!(read("-nf x y"), (vec![Opt::Flag(b'n'), Opt::Value(b'f', b"x".into())], vec!["y".into()]));
        assert_eq!(read("-f"), (vec![Opt::MissingValue(b'f')], vec![]));
        assert_eq!(read("-hz").0, vec![Opt::Flag(b'h'), Opt::Illegal(b'z')]);
        assert_eq!(read("-:").0, vec![Opt::Illegal(b':')]);
    }

    #[test]
    fn an_optional_value_can_be_passed_over() {
        let arguments = [b"-Exyz".to_vec(), b"r".to_vec()];
        let mut options = Options::new(&arguments, b"E");
        assert_eq!(options.next(), Some(Opt::Flag(b'E')));
        options.skip_optional_value();
        assert_eq!(options.next(), None);
        assert_eq!(options.rest(), [b"r".to_vec()]);
    }

    #[test]
    fn complaints_name_the_program_without_its_path() {
        assert_eq!(complaint(b"/x/y", &Opt::Illegal(b'z')), Some(b"y: illegal option -- z\n".to_vec()));
        assert_eq!(
            complaint(b"y", &Opt::MissingValue(b'f')),
            Some(b"y: option requires an argument -- f\n".to_vec())
        );
        assert_eq!(complaint(b"y", &Opt::Flag(b'f')), None);
    }
}
