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
        for (path, id) in files(disk, place)? {
            let target = format!("{place}/{}/{id}", id.directory(split));
            if path == target {
                continue;
            }
            if disk.stat(&target).is_ok() {
                let words = format!("{path} and {target} are both there");
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
            }
            disk.rename(&path, &target)?;
            moved = moved.saturating_add(1);
        }
        let directories = (0..split).map(|number| format!("{place}/{number}"));
        directories.chain([place.to_owned()]).try_for_each(|name| disk.sync_directory(&name))?;
    }
    Ok(moved)
}

/// Files with numbers for names, in the place itself and one level below it.
fn files(disk: &impl Disk, place: &str) -> io::Result<Vec<(String, QueueId)>> {
    let mut found = Vec::new();
    for (path, id) in numbers(disk, place)? {
        if disk.stat(&path)?.is_file {
            found.push((path, id));
        } else {
            found.extend(numbers(disk, &path)?);
        }
    }
    Ok(found)
}

fn numbers(disk: &impl Disk, directory: &str) -> io::Result<Vec<(String, QueueId)>> {
    let mut found = Vec::new();
    for name in disk.names(directory)? {
        found.extend(QueueId::parse(&name?).map(|id| (format!("{directory}/{id}"), id)));
    }
    Ok(found)
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
