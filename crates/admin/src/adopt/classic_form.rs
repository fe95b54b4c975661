//! Whether everything in the queue is in the form that the original reads (contract 4.1, 4.2).

use crate::place::Place;
use std::io::Read;
use std::path::Path;

/// What is in the queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Messages that wait.
    pub messages: usize,
    /// Files that the original cannot read, with the reason.
    pub odd: Vec<String>,
    /// Files that were set aside; the original does not look there.
    pub set_aside: usize,
}

/// More of a file of recipients is not looked at.
const BYTES_MAX: u64 = 16_000_000;

/// Looks at every file.
pub(super) fn look(place: &Place) -> Queue {
    let mut queue = Queue::default();
    let shape = place.shape();
    let (split, is_big_todo) = shape.map_or((1, false), |shape| (shape.split(), shape.is_big_todo()));
    let top = place.at("queue");
    for (directory, form) in [
        ("mess", None),
        ("info", Some(Form::Sender)),
        ("local", Some(Form::Recipients)),
        ("remote", Some(Form::Recipients)),
        ("todo", Some(Form::Envelope)),
        ("bounce", None),
    ] {
        let is_flat = directory == "bounce" || (directory == "todo" && !is_big_todo);
        for (path, name, hash) in files(&top.join(directory)) {
            // Names that are no numbers are ignored by every scanner.
            let Ok(number) = name.parse::<u64>() else { continue };
            if directory == "mess" {
                queue.messages = queue.messages.saturating_add(1);
            }
            let is_hash = hash == Some(number.checked_rem(split).unwrap_or(0));
            let is_placed = if is_flat { hash.is_none() } else { is_hash };
            if !is_placed {
                queue.odd.push(format!("{}: in the wrong directory for split {split}", path.display()));
            }
            if let Some(form) = form
                && let Err(why) = form.check(&path)
            {
                queue.odd.push(format!("{}: {why}", path.display()));
            }
        }
    }
    queue.set_aside = top.join("quarantine").read_dir().map(Iterator::count).unwrap_or(0);
    queue
}

/// Files of a directory and of its numbered ones.
fn files(directory: &Path) -> Vec<(std::path::PathBuf, String, Option<u64>)> {
    let mut found = Vec::new();
    for entry in directory.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().is_dir() {
            found.push((entry.path(), name, None));
            continue;
        }
        let hash = name.parse().ok();
        for inner in entry.path().read_dir().into_iter().flatten().flatten() {
            found.push((inner.path(), inner.file_name().to_string_lossy().into_owned(), hash));
        }
    }
    found
}

/// What a file of the queue holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// `F` sender NUL.
    Sender,
    /// `T` or `D` recipient NUL, again and again.
    Recipients,
    /// `u`, `p`, `F` and `T` records.
    Envelope,
}

impl Form {
    fn check(self, path: &Path) -> Result<(), String> {
        let mut bytes = Vec::new();
        let read = std::fs::File::open(path).and_then(|f| f.take(BYTES_MAX).read_to_end(&mut bytes));
        match read {
            // Delivered while we looked.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.to_string()),
            Ok(_) => self.check_bytes(&bytes),
        }
    }

    fn check_bytes(self, bytes: &[u8]) -> Result<(), String> {
        let allowed: &[u8] = match self {
            Self::Sender => b"F",
            Self::Recipients => b"TD",
            Self::Envelope => b"upFT",
        };
        let cut = u64::try_from(bytes.len()).is_ok_and(|len| len >= BYTES_MAX);
        if bytes.last().is_some_and(|&b| b != 0) && !cut {
            return Err("its last record does not end".to_owned());
        }
        let mut records = bytes.split_inclusive(|&b| b == 0);
        if let Some(bad) = records.clone().filter_map(|r| r.first()).find(|b| !allowed.contains(b)) {
            return Err(format!("a record begins with {}", bad.escape_ascii()));
        }
        let has_sender = records.any(|r| r.first() == Some(&b'F'));
        if self != Self::Recipients && !has_sender {
            return Err("no sender".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_of_the_original_pass_and_others_do_not() {
        for (form, bytes, good) in [
            (Form::Sender, &b"Fa@b\0"[..], true),
            (Form::Sender, b"F\0", true),
            (Form::Sender, b"", false),
            (Form::Sender, b"Fa@b", false),
            (Form::Recipients, b"Ta\0Db\0", true),
            (Form::Recipients, b"Xa\0", false),
            (Form::Envelope, b"u0\0p18810\0Fjoe@test.example\0Tjoe@test.example\0", true),
            (Form::Envelope, b"u0\0p1\0Ta\0", false),
        ] {
            assert_eq!(form.check_bytes(bytes).is_ok(), good, "{form:?} {}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            for form in [Form::Sender, Form::Recipients, Form::Envelope] {
                let _ = form.check_bytes(&bytes);
            }
        }
    }
}
