//! The door into the queue for an event loop (contract 6.2). Callers that may block have `queue::door`.
//!
//! 1. `QMAILQUEUE` is set, for the connection or for all: that program ([`program`]);
//! 2. else the queue service on `run/queue` ([`service`]), over connections that are used again and again;
//! 3. else `bin/qmail-queue`, as in 1.
//!
//! Message bytes go to the door while they arrive. Nothing is queued before [`HandOff::finish`] has sent the whole
//! envelope; a hand-off that is dropped or abandoned leaves nothing that is ever delivered.

mod program;
mod service;

use crate::environment::Environment;
use crate::verdict::Verdict;
use contracts::queue_exit::QueueExit;
use queue::door::launch::LaunchError;
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// How long the door may take over a complete message. Longer than clients wait for the answer (RFC 5321
/// §4.5.3.2.6: ten minutes): were we to give up first, the message could still get in, and come again.
const DECISION_TIME: Duration = Duration::from_secs(1200);

/// Idle connections to the queue service that are kept.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// The connection that a message comes over, where the process has more than one.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The client.
    pub remote: SocketAddr,
    /// Its variables.
    pub environment: Environment,
}

/// Where hand-offs begin.
#[derive(Debug)]
pub struct Door {
    home: PathBuf,
    program: Option<OsString>,
    idle: Mutex<Vec<service::Connection>>,
}

/// One message on its way into the queue.
#[derive(Debug)]
pub struct HandOff<'d> {
    door: &'d Door,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Service(service::Connection),
    Program(program::Program),
    /// There is a program, but it cannot be executed: told when the message is complete.
    Impossible(QueueExit),
}

impl Door {
    /// The door of the installation at `home`; `program` is the value of QMAILQUEUE.
    pub fn new(home: &Path, program: Option<OsString>) -> Self {
        Self { home: home.to_owned(), program, idle: Mutex::new(Vec::new()) }
    }

    /// Begins a hand-off of a message that comes `over` a connection; without one, the environment is as it should
    /// be. Fails only where not even a process can be started.
    pub async fn open(&self, over: Option<&Connection>) -> io::Result<HandOff<'_>> {
        let own = over.and_then(|over| over.environment.get("QMAILQUEUE")).map(OsStr::from_bytes);
        let way = match own.or(self.program.as_deref()) {
            Some(program) => self.start(program, over)?,
            None => match self.connection().await {
                Ok(connection) => Way::Service(connection),
                Err(_) => self.start("bin/qmail-queue".as_ref(), over)?,
            },
        };
        Ok(HandOff { door: self, way })
    }

    /// A connection that is still open, or a new one.
    async fn connection(&self) -> io::Result<service::Connection> {
        while let Some(connection) = self.idle().pop() {
            if connection.is_alive() {
                return Ok(connection);
            }
        }
        service::Connection::open(&self.home).await
    }

    fn start(&self, program: &OsStr, over: Option<&Connection>) -> io::Result<Way> {
        match program::start(&self.home, program, over) {
            Ok(program) => Ok(Way::Program(program)),
            Err(LaunchError::NotExecutable) => Ok(Way::Impossible(QueueExit::NotExecutable)),
            Err(LaunchError::HomeDirectory) => Ok(Way::Impossible(QueueExit::HomeDirectory)),
            Err(LaunchError::NoProcess(error)) => Err(error),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<service::Connection>> {
        // A panic elsewhere leaves a list of connections that are all still good.
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl HandOff<'_> {
    /// Sends message bytes on, waiting while the door cannot take them. Trouble is told by [`HandOff::finish`].
    pub async fn write(&mut self, bytes: &[u8]) {
        match &mut self.way {
            Way::Service(connection) => connection.write(bytes).await,
            Way::Program(program) => program.write(bytes).await,
            Way::Impossible(_) => {}
        }
    }

    /// Sends the rest of the message and the envelope, and waits for the verdict.
    pub async fn finish(self, rest: &[u8], envelope: &[u8]) -> Verdict {
        let Self { door, way } = self;
        let decision = async {
            match way {
                Way::Service(connection) => {
                    let fresh = || service::Connection::open(&door.home);
                    let (verdict, connection) = connection.finish(rest, envelope, fresh).await;
                    if let Some(connection) = connection {
                        let mut idle = door.idle();
                        if idle.len() < IDLE_CONNECTIONS_MAX {
                            idle.push(connection);
                        }
                    }
                    verdict
                }
                Way::Program(program) => program.finish(rest, envelope).await,
                Way::Impossible(exit) => Verdict::from_exit(exit as u8, 0, b""),
            }
        };
        let too_late = || Verdict::from_exit(QueueExit::TimedOut as u8, 0, b"");
        tokio::time::timeout(DECISION_TIME, decision).await.unwrap_or_else(|_| too_late())
    }

    /// Nothing is to be queued.
    pub fn abandon(self) {
        if let Way::Program(program) = self.way {
            program.abandon();
        }
    }
}
