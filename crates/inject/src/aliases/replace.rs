//! A list or a database put in the place of an older one: written beside it, synced, renamed.

use super::TEXT_MAX_BYTES;
use cdb::{Replacement, WriteError};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// All of a stream that must not be too long.
pub fn text(input: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let length = input.take(TEXT_MAX_BYTES.saturating_add(1)).read_to_end(&mut text)?;
    if u64::try_from(length).is_ok_and(|length| length <= TEXT_MAX_BYTES) {
        Ok(text)
    } else {
        Err(io::Error::from_raw_os_error(nix::errno::Errno::EFBIG as i32))
    }
}

/// The error is a sentence.
pub fn database(records: &[(Vec<u8>, Vec<u8>)], temporary: &Path, place: &Path) -> Result<(), String> {
    let new = Replacement::begin(temporary).map_err(|error| unable("create", temporary, &error))?;
    new.write(records.iter().map(|(key, data)| (key, data))).map_err(|error| match error {
        WriteError::Write(error) => unable("write to", temporary, &error),
        too_large @ WriteError::TooLarge => too_large.to_string(),
    })?;
    new.put_at(place).map_err(|error| unable_to_move(temporary, place, &error))
}

/// Readable for everybody. The error is a sentence.
pub fn list(bytes: &[u8], temporary: &Path, place: &Path) -> Result<(), String> {
    let write = |error: io::Error| unable("write to", temporary, &error);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).open(temporary).map_err(write)?;
    file.set_permissions(PermissionsExt::from_mode(0o644)).map_err(write)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(write)?;
    std::fs::rename(temporary, place).map_err(|error| unable_to_move(temporary, place, &error))?;
    let directory = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|error| unable("sync", directory, &error))
}

fn unable(what: &str, path: &Path, error: &io::Error) -> String {
    format!("unable to {what} {}: {}", path.display(), os::strerror::of(error))
}

fn unable_to_move(from: &Path, to: &Path, error: &io::Error) -> String {
    format!("unable to move {} to {}: {}", from.display(), to.display(), os::strerror::of(error))
}
