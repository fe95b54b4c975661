//! The mail servers that are measured, each in a private world, all at once; only one of them works at a time.
//!
//! - [`quail`] is ours
//! - [`postfix`], [`exim`], [`opensmtpd`] are Debian's packages
//! - [`original`] is what somebody has installed

pub mod exim;
pub mod opensmtpd;
pub mod original;
pub mod postfix;
pub mod quail;

use crate::load::generator::Outcome;
use crate::load::submission::{self, Program, Submission};
use crate::measure::calls;
use crate::measure::group::Group;
use crate::moment::Moment;
use anyhow::{Context, Result, anyhow};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

/// The domain whose mail goes to the prompt sink.
pub const AWAY: &str = "away.example";

/// The domain whose mail goes to the slow sink.
pub const SLOW: &str = "slow.example";

/// The domain whose mail goes to a sink that says nothing.
pub const DEAD: &str = "dead.example";

/// How many users there are.
pub const USERS: usize = 100;

/// Where mail goes.
#[derive(Clone, Copy, Debug)]
pub struct Routes {
    /// For [`AWAY`].
    pub away: SocketAddr,
    /// For [`SLOW`].
    pub slow: SocketAddr,
    /// For [`DEAD`].
    pub dead: SocketAddr,
}

/// What a load must know of a server.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What it is called in tables.
    pub name: &'static str,
    /// Its release.
    pub version: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// A local recipient.
    pub one: String,
    /// Many local recipients.
    pub many: Vec<String>,
    /// A recipient whose mail goes to a program that puts it into a Maildir.
    pub program: Option<String>,
    /// The program by which local users send; the recipient is [`Facts::one`].
    pub submit: Program,
    /// Where all of their mail ends.
    pub maildirs: Vec<PathBuf>,
    /// The directory its queue is on the disk of.
    pub disk: PathBuf,
}

type Job = Box<dyn FnOnce() + Send>;

/// A running server. It belongs to a thread of its own, as its name space does.
#[derive(Debug)]
pub struct Mta {
    /// What a load must know.
    pub facts: Facts,
    /// Its processes.
    pub group: Arc<Group>,
    keeper: Option<(Sender<Job>, JoinHandle<()>)>,
}

impl Mta {
    /// Starts one; it is stopped when this is dropped.
    fn start<T: 'static>(
        name: &'static str,
        make: impl FnOnce() -> Result<(T, Facts)> + Send + 'static,
    ) -> Result<Self> {
        let group = Arc::new(Group::new(name));
        let (jobs, waiting) = channel::<Job>();
        let (ready, made) = channel();
        let own = group.clone();
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(move || match own.around(make) {
                Ok((server, facts)) => {
                    let _ = ready.send(Ok(facts));
                    waiting.into_iter().for_each(|job| job());
                    drop(server);
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            })?;
        let facts = made.recv().with_context(|| format!("{name} could not be started"))??;
        Ok(Self { facts, group, keeper: Some((jobs, thread)) })
    }
}

impl Mta {
    /// Runs the program that local users send with, in the surroundings of the server and at its cost; with its calls
    /// written to `trace`.
    pub fn submit(&self, submission: Submission, trace: Option<&Path>) -> Result<Outcome> {
        let mut command = submission::command(submission, &self.facts.submit)?;
        if let Some(file) = trace {
            command = calls::traced(&command, file);
        }
        let (jobs, _) = self.keeper.as_ref().context("the server runs")?;
        let (done, started) = channel();
        let group = self.group.clone();
        if let Some(id) = self.facts.submit.group {
            std::os::unix::process::CommandExt::gid(&mut command, id);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let start = Moment::now();
        let job = move || drop(done.send(group.around(|| command.spawn())));
        jobs.send(Box::new(job)).map_err(|_| anyhow!("the server has stopped"))?;
        let output = started.recv()??.wait_with_output()?;
        Ok(submission::outcome(start, &String::from_utf8_lossy(&output.stdout)))
    }
}

impl Drop for Mta {
    fn drop(&mut self) {
        if let Some((jobs, thread)) = self.keeper.take() {
            drop(jobs);
            let _ = thread.join();
        }
    }
}

/// The release of an unpacked package, from the name of its archive.
fn version_of(package: &str) -> String {
    let archives = quail_tests::place::package(package).and_then(|p| Some(p.parent()?.join("archives")));
    let entries = archives.and_then(|a| a.read_dir().ok()).into_iter().flatten().filter_map(Result::ok);
    let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
    let prefix = format!("{package}_");
    let found =
        names.filter_map(|n| Some(n.strip_prefix(&prefix)?.split('_').next()?.replace("%3a", ":"))).max();
    found.unwrap_or_default()
}

/// A Maildir that is there before its first message, so that it can be watched. It belongs to whom it belonged before, or
/// to the owner of its parent.
fn make_maildir(path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let parent = path.parent().context("a Maildir has a place")?;
    let owner = std::fs::metadata(path).or_else(|_| std::fs::metadata(parent))?;
    for name in ["", "tmp", "new", "cur"] {
        let part = path.join(name);
        if !part.is_dir() {
            std::fs::create_dir(&part)?;
        }
        std::os::unix::fs::chown(&part, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}
