//! qmail-upq(8): puts the files of a queue into the directories that their numbers say (contract 12).
//!
//! A queue from before the split has its files in `mess` and the like themselves; one whose split was changed has them
//! in the wrong ones. Each file is moved by a rename, so stopping half way loses nothing, and doing it again ends it.

use crate::{disk::Disk, layout::Layout};
use contracts::QueueId;
use std::io;

/// Moves them, and says how many. `qmail-send` must not run meanwhile.
pub fn resplit(disk: &impl Disk) -> io::Result<usize> {
    let split = Layout::detect(disk)?.split();
    let mut moved = 0usize;
    for place in ["mess", "info", "local", "remote"] {
        let mut directories = Vec::new();
        moved = moved.saturating_add(resplit_directory(disk, place, place, split, &mut directories)?);
        for directory in directories {
            // What is a directory in there is nobody's.
            let files = resplit_directory(disk, place, &directory, split, &mut Vec::new())?;
            moved = moved.saturating_add(files);
        }
        let mut all = (0..split).map(|number| format!("{place}/{number}")).chain([place.to_owned()]);
        all.try_for_each(|name| disk.sync_directory(&name))?;
    }
    Ok(moved)
}

/// Moves the files of one directory that belong elsewhere, and notes the directories in it: as many as a split has.
fn resplit_directory(
    disk: &impl Disk,
    place: &str,
    directory: &str,
    split: u64,
    directories: &mut Vec<String>,
) -> io::Result<usize> {
    let mut moved = 0usize;
    for name in disk.names(directory)? {
        let Some(id) = QueueId::parse(&name?) else { continue };
        let (path, target) = (format!("{directory}/{id}"), format!("{place}/{}/{id}", id.directory(split)));
        if path == target {
            continue;
        }
        if !disk.stat(&path)?.is_file {
            directories.push(path);
            continue;
        }
        if disk.stat(&target).is_ok() {
            let words = format!("{path} and {target} are both there");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
        }
        disk.rename(&path, &target)?;
        moved = moved.saturating_add(1);
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::RealDisk;

    /// A queue split by three, with these files.
    fn queue(files: &[&str]) -> tempfile::TempDir {
        let queue = tempfile::tempdir().unwrap();
        for place in ["mess", "info", "local", "remote"] {
            (0..3).for_each(|n| std::fs::create_dir_all(queue.path().join(format!("{place}/{n}"))).unwrap());
        }
        files.iter().for_each(|file| std::fs::write(queue.path().join(file), file).unwrap());
        queue
    }

    #[test]
    fn files_go_where_their_numbers_say_and_the_second_run_moves_nothing() {
        let queue = queue(&["mess/100", "mess/2/101", "mess/0/102", "info/1/102", "local/100", "mess/note"]);
        let text = |file: &str| std::fs::read_to_string(queue.path().join(file)).unwrap();
        let disk = RealDisk::at(queue.path());
        assert_eq!(resplit(&disk).unwrap(), 3);
        for (from, to) in [
            ("mess/100", "mess/1/100"),
            ("mess/2/101", "mess/2/101"),
            ("mess/0/102", "mess/0/102"),
            ("info/1/102", "info/0/102"),
            ("local/100", "local/1/100"),
            ("mess/note", "mess/note"),
        ] {
            assert_eq!(text(to), from);
        }
        assert_eq!(resplit(&disk).unwrap(), 0);
    }

    #[test]
    fn nothing_is_put_over_another_file() {
        let queue = queue(&["mess/100", "mess/1/100"]);
        let error = resplit(&RealDisk::at(queue.path())).unwrap_err();
        assert!(error.to_string().contains("mess/100 and mess/1/100"));
        assert!(queue.path().join("mess/100").exists());
    }
}
