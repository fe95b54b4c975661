//! One delivery, in the order of the work (qmail-interfaces 8.5).
//!
//! ```text
//! enter and check the home directory
//! is the message looping?
//! find the .qmail file, decide the sender for forwarding
//! carry out the instructions in order; collect forward addresses
//! forward, last of all
//! ```
//!
//! An instruction that fails ends everything, and nothing is undone: a retry begins at the first
//! instruction again.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use contracts::local_worker::Delivery;
use mailbox::copy::{OPENING_BYTES, Pieces, block_bytes};
use mailbox::{Directories, Message};
use queue::door::Door;

use crate::environment::{Environment, environment};
use crate::failure::Failure;
use crate::home::Home;
use crate::instruction::{Instruction, instructions};
use crate::kept_home::KeptHomes;
use crate::looping::{Finding, LoopCheck};
use crate::output::Output;
use crate::owner::new_sender;
use crate::program::{self, Verdict};
use crate::trace::Trace;

/// What does not end in the opening of the message is read in pieces of this size.
const HEADER_PIECE_BYTES: usize = 64 * 1024;

/// What all deliveries of a process have in common.
pub struct Means {
    /// The environment the starter left us.
    pub inherited: Vec<(OsString, OsString)>,
    /// The way into the queue, for forwarding.
    pub door: Door,
    /// The Maildirs that are open, and the syncs that deliveries at the same time share.
    pub maildirs: Directories,
    /// The home directory that is open.
    pub homes: KeptHomes,
    /// When a program is ended; `None`: never. Asked anew for each program.
    pub program_limit: Box<dyn Fn() -> Option<Duration> + Send + Sync>,
}

/// Where a delivery reads the opening of its message: kept from one delivery to the next by whoever makes many.
#[derive(Debug)]
pub struct Room(Box<[u8]>);

impl Default for Room {
    fn default() -> Self {
        Self(vec![0; OPENING_BYTES].into_boxed_slice())
    }
}

/// Deliver, or say what would be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Do it.
    Deliver,
    /// Option `-n`: print the instructions.
    Show,
}

/// Makes one delivery, says to `output` what it came to, and returns qmail-local's exit code.
pub fn deliver(
    delivery: &Delivery,
    message: &File,
    purpose: Purpose,
    means: &Means,
    room: &mut Room,
    output: &mut dyn Output,
) -> u8 {
    match work(delivery, message, purpose, means, room, output) {
        Ok(done) => {
            output.say(&done.report());
            0
        }
        Err(failure) => {
            output.complain(&failure.text());
            failure.exit()
        }
    }
}

/// Looks for the file that would decide about a delivery, and does nothing: 0 if a delivery would be tried, else the exit
/// code with which it would fail before its first instruction. Who asks is not the sender, and has no message yet.
pub fn check(delivery: &Delivery, homes: &KeptHomes) -> u8 {
    let found = || -> Result<bool, Failure> {
        let home = Home::enter(&delivery.home, homes)?;
        home.check_owner_rules()?;
        if home.is_sticky() {
            return Err(Failure::HomeSticky);
        }
        Ok(home.find(delivery)?.is_some() || delivery.dash.is_empty())
    };
    match found() {
        Ok(true) => 0,
        Ok(false) => Failure::NoMailbox.exit(),
        Err(failure) => failure.exit(),
    }
}

/// What was done.
#[derive(Debug, Default)]
struct Done {
    files: u64,
    forwards: u64,
    programs: u64,
    qp: Option<u64>,
}

impl Done {
    fn report(&self) -> Vec<u8> {
        let Self { files, forwards, programs, qp } = self;
        let qp = qp.map(|qp| format!("qp {qp}\n")).unwrap_or_default();
        format!("did {files}+{forwards}+{programs}\n{qp}").into()
    }
}

fn work(
    delivery: &Delivery,
    message: &File,
    purpose: Purpose,
    means: &Means,
    room: &mut Room,
    output: &mut dyn Output,
) -> Result<Done, Failure> {
    let home = Home::enter(&delivery.home, &means.homes)?;
    home.check_owner_rules()?;
    match purpose {
        Purpose::Deliver if home.is_sticky() => return Err(Failure::HomeSticky),
        Purpose::Show if home.is_sticky() => output.complain(b"Warning: home directory is sticky.\n"),
        _ => {}
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let trace = Trace::new(delivery, now);
    let message = match purpose {
        Purpose::Deliver => Some(checked(&trace, message, room)?),
        Purpose::Show => None,
    };

    let found = home.find(delivery)?;
    if found.is_none() && !delivery.dash.is_empty() {
        return Err(Failure::NoMailbox);
    }
    let new_sender = new_sender(delivery, home.ownership(delivery)?);
    let default = found.as_ref().and_then(|file| delivery.ext.get(file.default_at?..));
    let mut forward_only = found.as_ref().is_some_and(|file| file.forward_only);
    let mut text = found.map(|file| file.read()).transpose()?.unwrap_or_default();
    if text.is_empty() {
        text.clone_from(&delivery.default_delivery);
        forward_only = false;
    }

    let Some(message) = message else { return show(&text, forward_only, output) };
    let environment = OnceCell::new();
    let recipient = Recipient { delivery, home, trace, default, environment, new_sender, message, means };
    recipient.carry_out(&text, forward_only, output)
}

/// The message, if it is not going round in circles.
fn checked<'a>(trace: &Trace, message: &'a File, room: &'a mut Room) -> Result<Message<'a>, Failure> {
    let message = Message::open(message, &mut room.0).map_err(unreadable)?;
    let mut check = LoopCheck::new(&trace.delivered_to);
    let mut finding = check.push(message.opening());
    if let (None, Some(mut rest)) = (finding, message.rest()) {
        let mut piece = Vec::new();
        while finding.is_none() && rest.append_to(&mut piece, HEADER_PIECE_BYTES).map_err(unreadable)? > 0 {
            finding = check.push(&piece);
            piece.clear();
        }
    }
    match finding {
        Some(Finding::OwnLine) => Err(Failure::Looping),
        Some(Finding::TooManyDeliveries) => Err(Failure::TooManyDeliveries),
        Some(Finding::Harmless) | None => Ok(message),
    }
}

fn unreadable(error: io::Error) -> Failure {
    match error.raw_os_error() {
        // It has no places: a pipe.
        Some(code) if code == nix::Error::ESPIPE as i32 => Failure::Rewind,
        _ => Failure::ReadMessage(error),
    }
}

fn rewind(message: &File) -> Result<(), Failure> {
    let mut message = message;
    message.seek(SeekFrom::Start(0)).map(drop).map_err(|_| Failure::Rewind)
}

/// Everything that is known before the first instruction.
struct Recipient<'a> {
    delivery: &'a Delivery,
    home: Home,
    trace: Trace,
    default: Option<&'a [u8]>,
    /// Made when a program wants it.
    environment: OnceCell<Environment>,
    new_sender: Vec<u8>,
    message: Message<'a>,
    means: &'a Means,
}

impl Recipient<'_> {
    fn carry_out(
        &self,
        text: &[u8],
        mut forward_only: bool,
        output: &mut dyn Output,
    ) -> Result<Done, Failure> {
        let mut done = Done::default();
        let mut forwards = Vec::new();
        for instruction in instructions(text) {
            match instruction {
                Instruction::BlankFirstLine => return Err(Failure::BlankFirstLine),
                Instruction::ForwardOnly => forward_only = true,
                Instruction::Forward(address) => forwards.push(address),
                Instruction::Maildir(_) | Instruction::Mbox(_) if forward_only => {
                    return Err(Failure::FileForbidden);
                }
                Instruction::Program(_) if forward_only => return Err(Failure::ProgramForbidden),
                Instruction::Maildir(path) => {
                    done.files += 1;
                    self.maildir(path)?;
                }
                Instruction::Mbox(path) => {
                    done.files += 1;
                    self.mbox(path)?;
                }
                Instruction::Program(command) => {
                    done.programs += 1;
                    if self.program(command, output)? == Verdict::Stop {
                        break;
                    }
                }
            }
        }
        done.forwards = forwards.len() as u64;
        if !forwards.is_empty() {
            done.qp = Some(self.forward(&forwards, output)?);
        }
        Ok(done)
    }

    fn environment(&self) -> &Environment {
        let Self { delivery, trace, default, new_sender, means, .. } = self;
        self.environment.get_or_init(|| environment(&means.inherited, delivery, trace, *default, new_sender))
    }

    fn maildir(&self, path: &[u8]) -> Result<(), Failure> {
        let (heading, maildirs) = (self.trace.heading(), &self.means.maildirs);
        mailbox::maildir::deliver(self.home.as_fd(), path, &heading, &self.message, maildirs)
            .map_err(Failure::Maildir)
    }

    fn mbox(&self, path: &[u8]) -> Result<(), Failure> {
        mailbox::mbox::deliver(self.home.as_fd(), path, &self.trace.heading(), self.message.file)
            .map_err(|source| Failure::Mbox { path: path.to_vec(), source })
    }

    fn program(&self, command: &[u8], output: &mut dyn Output) -> Result<Verdict, Failure> {
        // The program reads it from where it stands.
        rewind(self.message.file)?;
        let around = program::Surroundings {
            home: &self.delivery.home,
            environment: self.environment(),
            limit: (self.means.program_limit)(),
        };
        program::run(command, self.message.file, &around, output)
    }

    /// One message to all addresses, with our Delivered-To line on top. Returns its number.
    fn forward(&self, addresses: &[&[u8]], output: &mut dyn Output) -> Result<u64, Failure> {
        let (_, errors) = output.for_program().map_err(Failure::Fork)?;
        let around = queue::door::Surroundings {
            environment: Some(self.environment()),
            errors: Some(std::os::fd::AsFd::as_fd(&errors)),
        };
        let mut hand_off = self.means.door.open_with(&around).map_err(Failure::Fork)?;
        hand_off.write(&self.trace.delivered_to);
        let room = block_bytes(self.message.file, 0);
        let mut pieces = Pieces::new(self.message.file);
        let mut piece = Vec::with_capacity(room);
        loop {
            match pieces.append_to(&mut piece, room) {
                Ok(0) => break,
                Ok(_) => hand_off.write(&piece),
                Err(_) => {
                    hand_off.fail();
                    break;
                }
            }
            piece.clear();
        }
        hand_off.sender(&self.new_sender);
        for address in addresses {
            hand_off.recipient(address);
        }
        match hand_off.finish() {
            Ok(accepted) => Ok(accepted.qp),
            Err(refused) => {
                Err(Failure::Forward { permanent: refused.is_permanent(), text: refused.text().to_vec() })
            }
        }
    }
}

/// Option `-n`: the instructions in words, with the same errors at the same places.
fn show(text: &[u8], mut forward_only: bool, output: &mut dyn Output) -> Result<Done, Failure> {
    let mut done = Done::default();
    for instruction in instructions(text) {
        let (kind, argument): (&[u8], _) = match instruction {
            Instruction::BlankFirstLine => return Err(Failure::BlankFirstLine),
            Instruction::Maildir(_) | Instruction::Mbox(_) if forward_only => {
                return Err(Failure::FileForbidden);
            }
            Instruction::Program(_) if forward_only => return Err(Failure::ProgramForbidden),
            Instruction::ForwardOnly => {
                forward_only = true;
                continue;
            }
            Instruction::Maildir(path) => (b"maildir ", path),
            Instruction::Mbox(path) => (b"mbox ", path),
            Instruction::Program(command) => (b"program ", command),
            Instruction::Forward(address) => (b"forward ", address),
        };
        match instruction {
            Instruction::Maildir(_) | Instruction::Mbox(_) => done.files += 1,
            Instruction::Program(_) => done.programs += 1,
            _ => done.forwards += 1,
        }
        output.say(&[kind, argument, b"\n"].concat());
    }
    Ok(done)
}
