//! Deliveries into a Maildir that has a quota.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop, loudly"
)]

use mailbox::maildir::{MaildirError, deliver};
use mailbox::{Directories, Heading, Message};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

const HEADING: Heading<'_> = Heading {
    from_line: b"From s@x Thu Jan 01 00:00:00 1970\n",
    return_path: b"Return-Path: <s@x>\n",
    delivered_to: b"Delivered-To: joe@host\n",
};

/// What stands above each message.
const ABOVE_BYTES: usize = HEADING.return_path.len() + HEADING.delivered_to.len();

fn home(ledger: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for part in ["tmp", "new", "cur"] {
        fs::create_dir_all(home.path().join("Maildir").join(part)).unwrap();
    }
    fs::write(home.path().join("Maildir/maildirsize"), ledger).unwrap();
    home
}

fn put(home: &Path, text: &[u8]) -> Result<(), MaildirError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text).unwrap();
    let mut room = [0; 1000];
    let message = Message::open(&file, &mut room).unwrap();
    let directories = Directories::default();
    deliver(File::open(home).unwrap().as_fd(), b"./Maildir/", &HEADING, &message, &directories)
}

fn files(home: &Path, part: &str) -> Vec<PathBuf> {
    fs::read_dir(home.join("Maildir").join(part)).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_quota_is_kept_and_names_say_the_size() {
    let home = home(&format!("{}S,2C\n0 0\n", ABOVE_BYTES * 2 + 10));
    put(home.path(), b"five.").unwrap();
    let arrived = files(home.path(), "new");
    let name = arrived[0].file_name().unwrap().to_str().unwrap();
    assert!(name.ends_with(&format!(",S={}", ABOVE_BYTES + 5)), "{name}");
    assert_eq!(arrived[0].metadata().unwrap().len(), (ABOVE_BYTES + 5) as u64);
    assert!(matches!(put(home.path(), b"sixsix"), Err(MaildirError::OverQuota)));
    put(home.path(), b"five.").unwrap();
    assert!(matches!(put(home.path(), b""), Err(MaildirError::OverQuota)));
    assert_eq!(files(home.path(), "new").len(), 2);
    assert!(files(home.path(), "tmp").is_empty());
}

#[test]
fn room_that_somebody_else_has_made_is_found() {
    let home = home("9999S,2C\n0 0\n");
    put(home.path(), b"1").unwrap();
    put(home.path(), b"2").unwrap();
    fs::remove_file(&files(home.path(), "new")[0]).unwrap();
    put(home.path(), b"3").unwrap();
    assert!(matches!(put(home.path(), b"4"), Err(MaildirError::OverQuota)));
}

#[test]
fn many_deliveries_at_once_are_all_counted() {
    let home = home("1000000S\n0 0\n");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..5).for_each(|_| put(home.path(), b"x").unwrap()));
        }
    });
    let text = fs::read_to_string(home.path().join("Maildir/maildirsize")).unwrap();
    let line = format!("{} 1", ABOVE_BYTES + 1);
    assert_eq!(text.lines().filter(|found| *found == line).count(), 40, "{text}");
}

#[test]
fn deliveries_at_once_exceed_a_quota_by_no_more_than_themselves() {
    const THREADS: usize = 8;
    // Nobody has counted yet.
    let home = home("10C\n");
    let taken = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..5 {
                    match put(home.path(), b"x") {
                        Ok(()) => drop(taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed)),
                        Err(MaildirError::OverQuota) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let taken = taken.into_inner();
    assert!((10..10 + 2 * THREADS).contains(&taken), "{taken}");
    assert_eq!(files(home.path(), "new").len(), taken);
}

#[test]
fn without_the_file_names_are_as_ever() {
    let home = home("");
    put(home.path(), b"x").unwrap();
    assert!(!files(home.path(), "new")[0].to_string_lossy().contains(",S="));
    fs::remove_file(home.path().join("Maildir/maildirsize")).unwrap();
    put(home.path(), b"x").unwrap();
    assert!(files(home.path(), "new").iter().all(|path| !path.to_string_lossy().contains(",S=")));
}
