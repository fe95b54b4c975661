//! The bench: an installation, the service in a thread, and qmail-send's side of its pipes.

use std::collections::BTreeMap;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread::JoinHandle;

use contracts::recipients::{Mailbox, decode_answer, encode_question};
use contracts::spawn::{Command, Report, ReportDecoder};
use spawner::local::{Identities, Local, WORKERS_MAX};
use spawner::questions::Questions;
use spawner::service::{ServiceError, Setting, run};

pub struct Bench {
    dir: tempfile::TempDir,
    pub commands: Option<PipeWriter>,
    reports: PipeReader,
    decoder: ReportDecoder,
    early: BTreeMap<u16, Report>,
    service: JoinHandle<Result<(), ServiceError>>,
}

impl Bench {
    /// With an owner, and a home, of each of these names.
    pub fn new(names: &[&str]) -> Self {
        Self::with_workers(names, WORKERS_MAX)
    }

    pub fn with_workers(names: &[&str], workers_max: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path();
        for path in ["bin", "users", "queue/mess/7"] {
            std::fs::create_dir_all(home.join(path)).unwrap();
        }
        std::os::unix::fs::symlink(std::env::current_exe().unwrap(), home.join("bin/qmail-local")).unwrap();
        std::fs::write(home.join("queue/mess/7/30"), "body\n").unwrap();
        let mut assign = String::new();
        for name in names {
            std::fs::create_dir(home.join(name)).unwrap();
            let at = home.join(name).display().to_string();
            assign += &format!("={name}:{name}:1:1:{at}:::\n+{name}-:{name}:1:1:{at}:-::\n");
        }
        std::fs::write(home.join("users/assign"), assign + ".\n").unwrap();
        users::compile::compile(home).unwrap();

        let (commands_out, commands) = pipe().unwrap();
        let (mut reports, reports_in) = pipe().unwrap();
        let setting = Setting {
            commands: OwnedFd::from(commands_out),
            reports: OwnedFd::from(reports_in),
            mess: std::fs::File::open(home.join("queue/mess")).unwrap().into(),
            queue_owner: nix::unistd::getuid().as_raw(),
            workers_max,
            questions: Some(Questions::at(&home.join("recipients"), None).unwrap()),
        };
        let mut local = Local::new(home.into(), b"./Mailbox".to_vec(), Identities::Caller);
        let service = std::thread::spawn(move || run(&mut local, setting));
        let mut greeting = [0];
        reports.read_exact(&mut greeting).unwrap();
        assert_eq!(greeting, [120]);
        let (decoder, early) = (ReportDecoder::default(), BTreeMap::new());
        Self { dir, commands: Some(commands), reports, decoder, early, service }
    }

    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    pub fn deliver(&mut self, slot: u16, recipient: &str) {
        let (message, sender) = (b"7/30".to_vec(), b"s@x".to_vec());
        let command = Command { slot, message, sender, recipient: recipient.into() };
        self.commands.as_mut().unwrap().write_all(&command.encode()).unwrap();
    }

    pub fn ask(&self, address: &str) -> Mailbox {
        let socket = os::packet::connect(&self.home().join("recipients")).unwrap();
        os::packet::set_nonblocking(&socket, false).unwrap();
        os::packet::send(socket.as_fd(), &encode_question(9, address.as_bytes()), None).unwrap();
        let mut buffer = [0; 16];
        let received = os::packet::receive_bytes(socket.as_fd(), &mut buffer).unwrap();
        let (number, mailbox) = decode_answer(&buffer[..received.length]).unwrap();
        assert_eq!(number, 9);
        mailbox
    }

    /// So many reports, by slot.
    pub fn reports(&mut self, count: usize) -> BTreeMap<u16, Report> {
        let mut buffer = [0; 4096];
        while self.early.len() < count {
            let read = self.reports.read(&mut buffer).unwrap();
            assert_ne!(read, 0, "the service has gone");
            let early = &mut self.early;
            self.decoder.push(&buffer[..read], |report| {
                assert!(early.insert(report.slot, report).is_none(), "two reports for one delivery");
            });
        }
        assert_eq!(self.early.len(), count);
        std::mem::take(&mut self.early)
    }

    /// What a worker writes into a file, once it is there.
    pub fn wait_for_file(&self, name: &str) -> String {
        let path = self.home().join(name);
        loop {
            match std::fs::read_to_string(&path) {
                Ok(text) if !text.is_empty() => return text,
                _ => std::thread::yield_now(),
            }
        }
    }

    /// Closes the commands: the service ends, without a report that nobody asked for.
    pub fn end(mut self) {
        drop(self.commands.take());
        let mut rest = Vec::new();
        self.reports.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
        self.service.join().unwrap().unwrap();
    }
}

pub fn write_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    // By rename: a file that was open for writing a moment ago cannot be executed while another thread forks.
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&new, path).unwrap();
}

/// Processes that this one has started and not yet waited for.
pub fn children() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}
