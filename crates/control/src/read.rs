//! The ways a control file is read (contract 3.1).

use crate::Warning;
use crate::catalogue::{Form, Setting};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The longest control file we read. Large sites keep tens of thousands of lines in theirs.
pub const FILE_MAX_BYTES: u64 = 64 << 20;

/// A control file that exists and cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The system said no.
    #[error("unable to read {file}: {}", os::strerror::of(source))]
    Unreadable {
        /// The whole path.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// More than [`FILE_MAX_BYTES`].
    #[error("{file} is longer than {FILE_MAX_BYTES} bytes")]
    TooLong {
        /// The whole path.
        file: PathBuf,
    },
    /// A file that must be there, and no `control/me` to stand in for it.
    #[error("{file} does not exist, and neither does control/me")]
    Missing {
        /// The whole path.
        file: PathBuf,
    },
}

/// The directory `control/` of an installation.
#[derive(Clone, Debug)]
pub struct Control {
    directory: PathBuf,
}

/// The entries of a list, each with the number of its line, from 1.
pub type Numbered = Vec<(usize, Vec<u8>)>;

impl Control {
    /// The control files of the installation at `home`.
    pub fn at(home: &Path) -> Self {
        Self { directory: home.join("control") }
    }

    /// A directory of control files by itself.
    pub fn in_directory(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The whole file; `None` if there is none.
    pub fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, ControlError> {
        let file = self.directory.join(name);
        let mut bytes = Vec::new();
        let read = std::fs::File::open(&file)
            .and_then(|f| f.take(FILE_MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes));
        match read {
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ControlError::Unreadable { file, source }),
            Ok(n) if u64::try_from(n).is_ok_and(|n| n <= FILE_MAX_BYTES) => Ok(Some(bytes)),
            Ok(_) => Err(ControlError::TooLong { file }),
        }
    }

    /// *line*: the first line without trailing blanks. An empty file is set, to nothing.
    pub fn line(&self, name: &str) -> Result<Option<Vec<u8>>, ControlError> {
        Ok(self.bytes(name)?.map(|bytes| first_line(&bytes).to_vec()))
    }

    /// *line-or-default*: the line, else the line of `control/me`.
    pub fn line_or_me(&self, name: &str) -> Result<Option<Vec<u8>>, ControlError> {
        match self.line(name)? {
            None => self.line("me"),
            set => Ok(set),
        }
    }

    /// The line, else `control/me`, else an error that names the file.
    pub fn line_or_me_required(&self, name: &str) -> Result<Vec<u8>, ControlError> {
        self.line_or_me(name)?.ok_or_else(|| ControlError::Missing { file: self.directory.join(name) })
    }

    /// *int*: the digits at the start of the line; what follows does not count, as in the original, but gets a
    /// warning: `1 week` is a second. What is no number, or outside the setting's range, gives the default and a
    /// warning (D52).
    pub fn number(&self, setting: &Setting, warn: &mut dyn FnMut(Warning)) -> Result<u64, ControlError> {
        let Form::Number { default, least, most, unit } = setting.form else { return Ok(0) };
        let Some(line) = self.line(setting.name)? else { return Ok(default) };
        let digits = line.iter().take_while(|b| b.is_ascii_digit());
        let number = digits.fold((!line.is_empty()).then_some(0u64), |n, b| {
            n.and_then(|n| n.checked_mul(10)?.checked_add(u64::from(b.wrapping_sub(b'0'))))
        });
        let starts_with_digit = line.first().is_some_and(u8::is_ascii_digit);
        let taken = number.filter(|n| starts_with_digit && (least..=most).contains(n));
        let used = match taken {
            Some(number) if line.iter().all(u8::is_ascii_digit) => return Ok(number),
            Some(number) => number.to_string(),
            None => format!("the default, {default}"),
        };
        let accepted = format!("a number of {unit} from {least} to {most}");
        warn(Warning { file: setting.name.into(), line: 1, value: line, accepted, used });
        Ok(taken.unwrap_or(default))
    }

    /// *list*: the lines that are neither empty nor comments; `None` if there is no file.
    pub fn list(&self, name: &str) -> Result<Option<Vec<Vec<u8>>>, ControlError> {
        Ok(self.bytes(name)?.map(|bytes| list_lines(&bytes).map(<[u8]>::to_vec).collect()))
    }

    /// As [`Control::list`], each entry with the number of its line, from 1, for a [`Warning`] about it.
    pub fn numbered_list(&self, name: &str) -> Result<Option<Numbered>, ControlError> {
        let Some(bytes) = self.bytes(name)? else { return Ok(None) };
        let mut entries = Vec::new();
        for (number, line) in (1..).zip(bytes.split(|&b| b == b'\n')) {
            entries.extend(list_lines(line).map(|entry| (number, entry.to_vec())));
        }
        Ok(Some(entries))
    }
}

/// The first line without trailing blanks (a carriage return counts as one, D52).
pub fn first_line(bytes: &[u8]) -> &[u8] {
    trim_end(bytes.split(|&b| b == b'\n').next().unwrap_or_default())
}

/// The entries of a list: trailing blanks removed, empty lines and lines that begin with `#` skipped, a line cut
/// at a NUL into two. Leading blanks count.
pub fn list_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|&b| b == b'\n')
        .map(trim_end)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .flat_map(|line| line.split(|&b| b == 0))
        .filter(|entry| !entry.is_empty())
}

fn trim_end(line: &[u8]) -> &[u8] {
    let blanks = line.iter().rev().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count();
    line.get(..line.len().saturating_sub(blanks)).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use proptest::prelude::*;

    #[test]
    fn entries_of_a_list_know_their_lines() {
        let (_directory, control) = with(&[("some", b"one\n\n# no\ntwo \n")]);
        let expected = vec![(1, b"one".to_vec()), (4, b"two".to_vec())];
        assert_eq!(control.numbered_list("some").unwrap(), Some(expected));
        assert_eq!(control.numbered_list("none").unwrap(), None);
    }

    fn with(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Control) {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(directory.path().join(name), content).unwrap();
        }
        let control = Control::in_directory(directory.path().into());
        (directory, control)
    }

    #[test]
    fn a_line_ends_before_its_trailing_blanks() {
        let (_keep, control) = with(&[("me", b"  host.example \t\r\nrest\n"), ("empty", b"")]);
        assert_eq!(control.line("me").unwrap().unwrap(), b"  host.example");
        assert_eq!(control.line("empty").unwrap().unwrap(), b"");
        assert_eq!(control.line("none").unwrap(), None);
        assert_eq!(control.line_or_me("none").unwrap().unwrap(), b"  host.example");
        assert_eq!(control.line_or_me("empty").unwrap().unwrap(), b"");
    }

    #[test]
    fn a_list_has_no_comments_and_no_blank_lines() {
        let text = b"# comment\na.example \n\n b\r\nx\0y\nlast";
        let got: Vec<_> = list_lines(text).collect();
        assert_eq!(got, [&b"a.example"[..], b" b", b"x", b"y", b"last"]);
    }

    #[test]
    fn numbers_take_their_digits_and_warn_about_the_rest() {
        let setting = catalogue::setting("timeoutremote").unwrap();
        for (content, want, warns) in [
            (&b"30\n"[..], 30, false),
            (b"30 \t\r\n", 30, false),
            (b"30 seconds\n", 30, true),
            (b"7x\n", 7, true),
            (b"", 1200, true),
            (b"soon\n", 1200, true),
            (b"-1\n", 1200, true),
            (b"99999999999999999999999\n", 1200, true),
        ] {
            let (_keep, control) = with(&[("timeoutremote", content)]);
            let mut warnings = Vec::new();
            assert_eq!(control.number(setting, &mut |w| warnings.push(w)).unwrap(), want, "{content:?}");
            assert_eq!(!warnings.is_empty(), warns, "{content:?}");
        }
    }

    #[test]
    fn a_directory_in_place_of_a_file_is_an_error_and_no_default() {
        let (keep, control) = with(&[]);
        std::fs::create_dir(keep.path().join("locals")).unwrap();
        assert!(control.list("locals").is_err());
    }

    proptest! {
        #[test]
        fn any_file_reads_as_something(bytes: Vec<u8>) {
            let line = first_line(&bytes);
            prop_assert!(!line.contains(&b'\n'));
            for entry in list_lines(&bytes) {
                prop_assert!(!entry.is_empty() && !entry.contains(&b'\n') && !entry.contains(&0));
            }
        }
    }
}
