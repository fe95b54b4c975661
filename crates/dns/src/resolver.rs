//! The questions, over hickory-resolver, with a bounded cache that honours TTLs.
//!
//! Servers, time-out and attempts come from resolv.conf(5). Its search list and /etc/hosts are not
//! used: a mail domain is always a full name, and qmail asks the DNS only.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::rr::{Name, RData, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};

use crate::mail_hosts::{self, Candidate, Exchangers, MailHosts};
use crate::{Lookup, Random, loopback, name};

/// Answers kept in memory; the least useful go first.
pub const CACHED_ANSWERS: u64 = 8192;

/// However long a zone says, a found answer is asked for again after this.
pub const LONGEST_POSITIVE_TTL: Duration = Duration::from_secs(24 * 3600);

/// However long a zone says, an absent name is asked for again after this.
pub const LONGEST_NEGATIVE_TTL: Duration = Duration::from_secs(300);

/// How long the second address family may take after the first has given addresses.
pub const SECOND_FAMILY_LIMIT: Duration = Duration::from_secs(1);

/// The variable that names another server (`ip:port`) for a rootless installation and its tests.
pub const SERVER_VARIABLE: &str = "QUAIL_DNS_SERVER";

/// Where name servers listen.
const DNS_PORT: u16 = 53;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    /// Those of /etc/resolv.conf.
    System,
    /// One server at this address, one second and two tries a question.
    At(SocketAddr),
}

impl Servers {
    /// [`SERVER_VARIABLE`] where the installation is rootless, else the system's servers.
    ///
    /// With real identities the variable is ignored: whoever answers for the DNS decides where mail
    /// goes, and the environment of a daemon is not the place for that.
    pub fn from_environment(rootless: bool) -> Self {
        let named = || std::env::var(SERVER_VARIABLE).ok()?.parse().ok();
        if rootless { named().map_or(Self::System, Self::At) } else { Self::System }
    }
}

/// Why no resolver could be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the name servers of /etc/resolv.conf: {0}")]
pub struct ResolverError(NetError);

/// Asks and remembers. Cheap to clone; clones share the cache.
///
/// Needs a tokio runtime whenever it is asked something.
#[derive(Clone)]
pub struct Resolver {
    inner: TokioResolver,
    /// Who is asked for what `inner` does not ask for.
    server: Option<SocketAddr>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver with an empty cache.
    pub fn new(servers: Servers) -> Result<Self, ResolverError> {
        let mut builder = match servers {
            Servers::System => TokioResolver::builder_tokio().map_err(ResolverError)?,
            Servers::At(address) => {
                let mut server = NameServerConfig::udp_and_tcp(address.ip());
                for connection in &mut server.connections {
                    connection.port = address.port();
                }
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
                builder.options_mut().timeout = Duration::from_secs(1);
                builder.options_mut().attempts = 2;
                builder
            }
        };
        bound(builder.options_mut());
        let server = match servers {
            Servers::At(address) => Some(address),
            Servers::System => {
                let system = hickory_resolver::system_conf::read_system_conf().ok();
                let first =
                    system.and_then(|(config, _)| config.name_servers().first().map(|server| server.ip));
                first.map(|address| SocketAddr::new(address, DNS_PORT))
            }
        };
        Ok(Self { inner: builder.build().map_err(ResolverError)?, server })
    }

    /// IPv4 and IPv6 addresses of `host`; CNAMEs are followed.
    pub async fn addresses(&self, host: &[u8]) -> Lookup<Vec<IpAddr>> {
        match name::parse(host) {
            Some(name) => self.addresses_of(name).await,
            None => Lookup::Absent,
        }
    }

    /// The name of `address` (PTR), without the dot at its end. Whoever owns the address writes what he likes there.
    pub async fn name_of(&self, address: IpAddr) -> Lookup<Vec<u8>> {
        let pick = |data: &RData| match data {
            RData::PTR(name) => Some(name.0.clone()),
            _ => None,
        };
        let names = match (address.is_loopback(), self.server) {
            (true, None) => Lookup::Unavailable,
            (true, Some(server)) => loopback::names_of(address, server).await,
            (false, _) => self.ask(Name::from(address), RecordType::PTR, pick).await,
        };
        match names {
            Lookup::Found(names) => names.first().map_or(Lookup::Absent, |name| {
                let text = name.to_ascii();
                Lookup::Found(text.strip_suffix('.').unwrap_or(&text).as_bytes().to_vec())
            }),
            Lookup::Absent => Lookup::Absent,
            Lookup::Unavailable => Lookup::Unavailable,
        }
    }

    /// The first text at `name` (TXT), its strings joined.
    pub async fn text_of(&self, name: &[u8]) -> Lookup<Vec<u8>> {
        let Some(name) = name::parse(name) else { return Lookup::Absent };
        let pick = |data: &RData| match data {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        };
        match self.ask(name, RecordType::TXT, pick).await {
            Lookup::Found(texts) => texts.into_iter().next().map_or(Lookup::Absent, Lookup::Found),
            Lookup::Absent => Lookup::Absent,
            Lookup::Unavailable => Lookup::Unavailable,
        }
    }

    /// The addresses that take mail for `domain`, best first.
    pub async fn mail_hosts(&self, domain: &[u8], random: &mut Random) -> MailHosts {
        let Some(name) = name::parse(domain) else { return MailHosts::NoSuchHost };
        let hosts = match self.exchangers_of(name.clone()).await {
            Lookup::Found(Exchangers::Hosts(hosts)) => hosts,
            Lookup::Found(Exchangers::Null) => return MailHosts::NullExchanger,
            Lookup::Unavailable => return MailHosts::Unavailable,
            Lookup::Absent => return self.own_addresses(name, random).await,
        };
        let answers = self.addresses_of_all(hosts).await;
        mail_hosts::gather(answers, random)
    }

    /// A domain without exchangers takes its mail itself (RFC 5321 §5.1, the implicit MX).
    async fn own_addresses(&self, name: Name, random: &mut Random) -> MailHosts {
        match self.addresses_of(name).await {
            Lookup::Found(addresses) => {
                let candidate = |address| Candidate { preference: 0, address };
                MailHosts::Found(mail_hosts::ordered(addresses.into_iter().map(candidate).collect(), random))
            }
            Lookup::Absent => MailHosts::NoSuchHost,
            Lookup::Unavailable => MailHosts::Unavailable,
        }
    }

    /// Asks for all exchangers at once; there are at most [`mail_hosts::MOST_EXCHANGERS`].
    async fn addresses_of_all(&self, hosts: Vec<(u16, Name)>) -> Vec<(u16, Lookup<Vec<IpAddr>>)> {
        if let [(preference, name)] = hosts.as_slice() {
            return vec![(*preference, self.addresses_of(name.clone()).await)];
        }
        let mut questions = tokio::task::JoinSet::new();
        for (preference, name) in hosts {
            let resolver = self.clone();
            questions.spawn(async move { (preference, resolver.addresses_of(name).await) });
        }
        let mut answers = Vec::new();
        while let Some(answer) = questions.join_next().await {
            // A question that died gave no answer; that is a soft failure.
            answers.push(answer.unwrap_or((u16::MAX, Lookup::Unavailable)));
        }
        answers
    }

    async fn addresses_of(&self, name: Name) -> Lookup<Vec<IpAddr>> {
        let four = self.ask(name.clone(), RecordType::A, |data| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            _ => None,
        });
        let six = self.ask(name.clone(), RecordType::AAAA, |data| match data {
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        });
        let (mut four, mut six) = (std::pin::pin!(four), std::pin::pin!(six));
        // IPv4 first, whoever answers first.
        let (four, six) = tokio::select! {
            four = &mut four => {
                let six = second_family(&four, six).await;
                (four, six)
            }
            six = &mut six => (second_family(&six, four).await, six),
        };
        mail_hosts::join_families(four, six)
    }

    async fn exchangers_of(&self, name: Name) -> Lookup<Exchangers<Name>> {
        let records = self
            .ask(name, RecordType::MX, |data| match data {
                RData::MX(record) => Some((record.preference, record.exchange.clone())),
                _ => None,
            })
            .await;
        match records {
            Lookup::Found(records) => mail_hosts::choose_exchangers(records, Name::is_root),
            Lookup::Absent => Lookup::Absent,
            Lookup::Unavailable => Lookup::Unavailable,
        }
    }

    async fn ask<T>(
        &self,
        name: Name,
        kind: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Lookup<Vec<T>> {
        match self.inner.lookup(name, kind).await {
            Ok(answer) => {
                let found: Vec<T> = answer.answers().iter().filter_map(|record| pick(&record.data)).collect();
                if found.is_empty() { Lookup::Absent } else { Lookup::Found(found) }
            }
            Err(error) => classify(&error),
        }
    }
}

/// The answer for the second family. Some servers never answer for a family they do not know; with addresses of the
/// other in hand that is not waited for.
async fn second_family(
    first: &Lookup<Vec<IpAddr>>,
    second: impl Future<Output = Lookup<Vec<IpAddr>>>,
) -> Lookup<Vec<IpAddr>> {
    match first {
        Lookup::Found(_) => {
            tokio::time::timeout(SECOND_FAMILY_LIMIT, second).await.unwrap_or(Lookup::Unavailable)
        }
        _ => second.await,
    }
}

/// Options that do not depend on who is asked.
fn bound(options: &mut ResolverOpts) {
    options.cache_size = CACHED_ANSWERS;
    options.positive_max_ttl = Some(LONGEST_POSITIVE_TTL);
    options.negative_max_ttl = Some(LONGEST_NEGATIVE_TTL);
    options.use_hosts_file = ResolveHosts::Never;
    // Large MX sets and their addresses must not be cut (D16).
    options.edns0 = true;
}

/// No such name and no such data are permanent; everything else may be better later.
fn classify<T>(error: &NetError) -> Lookup<T> {
    match error {
        // A referral instead of an answer comes from a server that will not work for us.
        NetError::Dns(DnsError::NoRecordsFound(none)) if none.soa.is_none() && none.ns.is_some() => {
            Lookup::Unavailable
        }
        NetError::Dns(DnsError::NoRecordsFound(_)) => Lookup::Absent,
        _ => Lookup::Unavailable,
    }
}
