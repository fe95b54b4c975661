//! The listener: many sessions in one process, on sockets that whoever started us has bound.
//!
//! TERM: no new connections, sessions end when their transaction does, and all of them after [`FINISH_TIME`].
//! HUP: the control files are read again for the sessions to come. The rules are read again without being told.

use crate::admission::{self, Admission, Admissions};
use crate::block_lists::BlockLists;
use crate::client::Client;
use crate::configuration::{Configuration, ConfigurationError, Form};
use crate::door::{Connection, Door};
use crate::driver;
use crate::environment::Environment;
use crate::log;
use crate::netstrings::terms::Terms;
use crate::netstrings::wire::Wire;
use crate::netstrings::{self, Ground, Protocol};
use crate::places::{Place, Places};
use crate::policy::Policy;
use crate::replies;
use crate::session::Session;
use dns::{Resolver, Servers};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tcp_rules::{Network, Rule};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// How long sessions may take to finish their transactions after TERM.
pub const FINISH_TIME: Duration = Duration::from_secs(30);

/// How long to wait after a failed accept, which mostly means that descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is spoken on the sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// qmail-smtpd.
    Smtp,
    /// qmail-qmtpd, qmail-qmqpd.
    Netstrings(Protocol),
}

impl Language {
    fn server(self) -> &'static str {
        match self {
            Self::Smtp => "qmail-smtpd",
            Self::Netstrings(Protocol::Qmtp) => "qmail-qmtpd",
            Self::Netstrings(Protocol::Qmqp) => "qmail-qmqpd",
        }
    }
}

/// What the control files say now.
#[derive(Clone)]
struct Current {
    policy: Arc<Policy>,
    terms: Arc<Terms>,
    relay_clients: Arc<[Network]>,
    block_lists: Arc<BlockLists>,
}

/// What all sessions share.
struct Server {
    language: Language,
    home: PathBuf,
    door: Door,
    places: Places,
    admissions: Admissions,
    resolver: Option<Resolver>,
    current: Mutex<Current>,
}

/// Serves until TERM. The exit code is 0, or 111 if it could not begin.
pub fn run(sockets: Vec<OwnedFd>, language: Language) -> u8 {
    log::set_name(language.server());
    match serve(sockets, language) {
        Ok(()) => 0,
        Err(error) => {
            log::line(&format!("fatal: {error}"));
            111
        }
    }
}

fn serve(sockets: Vec<OwnedFd>, language: Language) -> Result<(), Box<dyn std::error::Error>> {
    if sockets.is_empty() {
        return Err("no listening socket was handed over (LISTEN_FDS)".into());
    }
    let home = os::home::home();
    let (configuration, terms) = load(&home)?;
    let admissions = Admissions::open(&home)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Without name servers, names and lists are as if they did not answer.
        let resolver = Resolver::new(Servers::from_environment(os::home::is_rootless())).ok();
        let server = Server {
            language,
            door: Door::new(&home, std::env::var_os("QMAILQUEUE")),
            places: Places::new(configuration.sessions, configuration.sessions_per_address),
            admissions,
            resolver,
            current: Mutex::new(Current::of(configuration, terms)),
            home,
        };
        Ok(listen(sockets, Arc::new(server)).await?)
    })
}

fn load(home: &Path) -> Result<(Configuration, Terms), ConfigurationError> {
    let mut warn = |warning| log::line(&format!("warning: {warning}"));
    let configuration = Configuration::load(home, Form::Listener, &mut warn)?;
    Ok((configuration, Terms::load(home, Form::Listener, &mut |_| {})?))
}

async fn listen(sockets: Vec<OwnedFd>, server: Arc<Server>) -> io::Result<()> {
    let mut accepting = JoinSet::new();
    for socket in sockets {
        let listener = std::net::TcpListener::from(socket);
        listener.set_nonblocking(true)?;
        // Connections inherit it. Replies are small and each is waited for.
        let _ = nix::sys::socket::setsockopt(&listener, nix::sys::socket::sockopt::TcpNoDelay, &true);
        accepting.spawn(accept(TcpListener::from_std(listener)?, server.clone()));
    }
    let (mut terminate, mut interrupt, mut hang_up) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    log::line("ready");
    loop {
        tokio::select! {
            _ = hang_up.recv() => server.reload(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    accepting.abort_all();
    server.places.close();
    let all_left = tokio::time::timeout(FINISH_TIME, server.places.all_free()).await;
    log::line(if all_left.is_ok() { "stopped" } else { "stopped; some sessions were cut off" });
    Ok(())
}

async fn accept(listener: TcpListener, server: Arc<Server>) {
    // A socket that is bound to one address has that of each of its connections.
    let bound = listener.local_addr().ok().filter(|address| !address.ip().is_unspecified());
    loop {
        server.places.wait_for_room().await;
        match listener.accept().await {
            Ok((stream, remote)) => server.admit(stream, remote, bound),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

impl Server {
    /// Begins a session, or says why not.
    fn admit(self: &Arc<Self>, stream: TcpStream, remote: SocketAddr, bound: Option<SocketAddr>) {
        let now = self.current();
        let rule = if self.admissions.ask_for_names() {
            // Only its name tells; until that is known the client is a stranger, but for what its address tells.
            match self.admissions.judge(remote.ip(), None) {
                Ok(Admission::Allowed(rule)) => rule,
                Ok(Admission::Denied) | Err(_) => Rule::default(),
            }
        } else {
            let Some(rule) = self.rule(remote.ip(), None) else { return };
            rule
        };
        let relay = now.relay_clients.iter().any(|network| network.contains(remote.ip()));
        match self.places.take(remote.ip(), relay || rule.variable(b"RELAYCLIENT").is_some()) {
            Some(place) => {
                let local = bound.or_else(|| stream.local_addr().ok());
                let mut environment = Environment::of_connection(remote, local);
                if relay {
                    environment.set(b"RELAYCLIENT", Vec::new());
                }
                let over = Connection { remote, environment };
                tokio::spawn(self.clone().converse(stream, over, rule, now, place));
            }
            None if self.language != Language::Smtp => {}
            // One write to an empty socket buffer: it does not block, and if it fails nobody is there.
            None => drop(stream.try_write(&replies::TOO_MANY_SESSIONS.to_bytes())),
        }
    }

    async fn converse(
        self: Arc<Self>,
        mut stream: TcpStream,
        mut over: Connection,
        mut rule: Rule,
        now: Current,
        place: Place,
    ) {
        let address = over.remote.ip();
        if self.admissions.ask_for_names() {
            let name = match &self.resolver {
                Some(resolver) => admission::name_of(address, resolver).await,
                None => None,
            };
            let Some(named) = self.rule(address, name.as_deref()) else { return };
            rule = named;
            if let Some(name) = name {
                over.environment.set(b"TCPREMOTEHOST", name);
            }
        }
        admission::apply(&rule, &mut over.environment);
        let mut client = Client::from_environment(|name| over.environment.get(name).map(<[u8]>::to_vec));
        if client.relay.is_none()
            && client.blocked.is_none()
            && !now.block_lists.are_none()
            && let Some(resolver) = &self.resolver
        {
            let mut note = |text: String| log::line(&format!("{} {text}", address.to_canonical()));
            client.blocked = now.block_lists.check(address, resolver, &mut note).await;
        }
        let mut service = self.places.service();
        match self.language {
            Language::Smtp => {
                let session = Session::new(now.policy, client);
                let _ = driver::run(&mut stream, session, &self.door, Some(&over), &mut service).await;
            }
            Language::Netstrings(Protocol::Qmqp) if client.relay.is_none() => {
                log::line(&format!("{} denied: it may not relay", address.to_canonical()));
            }
            Language::Netstrings(protocol) => {
                let ground =
                    Ground { terms: &now.terms, client: &client, door: &self.door, over: Some(&over) };
                let _ = netstrings::converse(protocol, &mut Wire::new(&mut stream, service), ground).await;
            }
        }
        drop(place);
    }

    /// The rule for a client; `None`, and a line in the log, if it may not connect.
    fn rule(&self, address: IpAddr, host: Option<&[u8]>) -> Option<Rule> {
        let why = match self.admissions.judge(address, host) {
            Ok(Admission::Allowed(rule)) => return Some(rule),
            Ok(Admission::Denied) => "denied by rules".to_owned(),
            Err(error) => format!("denied: control/tcprules.cdb cannot be read: {error}"),
        };
        log::line(&format!("{} {why}", address.to_canonical()));
        None
    }

    fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the control files again; what cannot be read changes nothing.
    fn reload(&self) {
        match load(&self.home) {
            Ok((configuration, terms)) => {
                self.places.resize(configuration.sessions, configuration.sessions_per_address);
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) =
                    Current::of(configuration, terms);
                log::line("control files read again");
            }
            Err(error) => log::line(&format!("warning: control files not read again: {error}")),
        }
    }
}

impl Current {
    fn of(configuration: Configuration, terms: Terms) -> Self {
        Self {
            terms: Arc::new(terms),
            policy: Arc::new(configuration.policy),
            relay_clients: configuration.relay_clients.into(),
            block_lists: Arc::new(configuration.block_lists),
        }
    }
}
