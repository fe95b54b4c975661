//! Control files of patched qmails (contract 16) that no program of ours reads: they are no error, and whoever
//! comes from such a qmail is told what becomes of them.

/// A file that we know and do not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Foreign {
    /// Its name in `control/`.
    pub name: &'static str,
    /// What it means there.
    pub meaning: &'static str,
    /// What is so here.
    pub instead: &'static str,
}

const fn file(name: &'static str, meaning: &'static str, instead: &'static str) -> Foreign {
    Foreign { name, meaning, instead }
}

const NONE: &str = "Nothing is done yet in its place.";
const POLICY: &str = "Not read: what it refuses is accepted here.";
const SOURCE: &str = "Not read: the system chooses the source address.";
const SCRIPT: &str = "Read by run scripts only, which may go on doing so.";
const RELAY: &str = "Not read: say it in control/relayclients, or by RELAYCLIENT under tcpserver.";
const RELAYFROM: &str = "Not read, and never will be: senders are forged.";
const TLS: &str = "Not read yet: mail goes in clear, as with the original.";
const TLSPARAM: &str = "Not needed: nothing is to be set there.";
const FILTER: &str =
    "Not read. A filter that QMAILQUEUE or QMAILREMOTE names is run as ever, and may read it.";
const SIMSCAN: &str = "Simscan reads it itself, where QMAILQUEUE names it.";
const SRS: &str = "Not read: senders of forwarded mail stay as they are.";

/// By name.
pub const FOREIGN: &[Foreign] = &[
    file("authservid", "Name in Authentication-Results fields.", NONE),
    file("badmailpatterns", "Patterns of refused senders.", POLICY),
    file("blacklists", "DNS block lists, read by run scripts.", SCRIPT),
    file("cachelifetime", "Of the SURBL filter.", FILTER),
    file("clientca.pem", "Authority of client certificates that may relay.", TLS),
    file("clientcert.pem", "Certificate and key shown to other servers.", TLS),
    file("clientcrl.pem", "Revoked client certificates.", TLS),
    file("defaultdelivery", "Default delivery instruction, read by run scripts.", SCRIPT),
    file("dh1024.pem", "Diffie-Hellman parameters.", TLSPARAM),
    file("dh2048.pem", "Diffie-Hellman parameters.", TLSPARAM),
    file("dh4096.pem", "Diffie-Hellman parameters.", TLSPARAM),
    file("dh512.pem", "Diffie-Hellman parameters.", TLSPARAM),
    file("dkimkeys", "Keys of DKIM signatures by domain.", FILTER),
    file("domainbindings", "Source addresses by sender domain.", SOURCE),
    file("domainips", "Source addresses by sender domain.", SOURCE),
    file("filterargs", "Filters between spawner and deliverer.", FILTER),
    file("goodrcptto", "Recipients that are accepted.", POLICY),
    file("level2-tlds", "Of the SURBL filter.", FILTER),
    file("level3-tlds", "Of the SURBL filter.", FILTER),
    file("mfcheck", "Whether the sender's domain must be in the DNS.", POLICY),
    file("nosignaturedomains", "Domains without DKIM signatures.", FILTER),
    file("notlshosts", "Hosts that are not spoken to in TLS.", TLS),
    file("notlshosts_auto", "Whether notlshosts is filled after failures.", TLS),
    file("outgoingips", "Source addresses of connections to other hosts.", SOURCE),
    file("policy", "Who may send to whom, as eMPF rules.", POLICY),
    file("qfilters", "Filters of qmail-qfilter by domain.", FILTER),
    file("relayhosts", "Clients that may relay, read by run scripts.", RELAY),
    file("relaymailfrom", "Senders that may relay.", RELAYFROM),
    file("rsa1024.pem", "Temporary key.", TLSPARAM),
    file("rsa2048.pem", "Temporary key.", TLSPARAM),
    file("rsa4096.pem", "Temporary key.", TLSPARAM),
    file("rsa512.pem", "Temporary key.", TLSPARAM),
    file("senderip", "Source address of connections to other hosts.", SOURCE),
    file("servercert.pem", "Certificate and key of the SMTP server.", TLS),
    file("servercerts", "Certificates of the SMTP server by name.", TLS),
    file("signaturedomains", "Domains with DKIM signatures.", FILTER),
    file("simcontrol", "Of the filter simscan.", SIMSCAN),
    file("simcontrol.cdb", "Of the filter simscan.", SIMSCAN),
    file("simversions.cdb", "Of the filter simscan.", SIMSCAN),
    file("smtpplugins", "Plug-ins of qmail-spp.", POLICY),
    file("softlimit", "Memory limit, read by run scripts.", SCRIPT),
    file("spfbehavior", "What SPF results lead to.", FILTER),
    file("spfexp", "Explanation of SPF refusals.", FILTER),
    file("spfguess", "SPF rules for domains without a record.", FILTER),
    file("spfrules", "Further SPF rules.", FILTER),
    file("srs_alwaysrewrite", "Of the sender rewriting scheme.", SRS),
    file("srs_domain", "Of the sender rewriting scheme.", SRS),
    file("srs_hashlength", "Of the sender rewriting scheme.", SRS),
    file("srs_hashmin", "Of the sender rewriting scheme.", SRS),
    file("srs_maxage", "Of the sender rewriting scheme.", SRS),
    file("srs_secrets", "Of the sender rewriting scheme.", SRS),
    file("srs_separator", "Of the sender rewriting scheme.", SRS),
    file("surbldomainwhite", "Of the SURBL filter.", FILTER),
    file("surblrcpt", "Of the SURBL filter.", FILTER),
    file("tlsclientciphers", "Ciphers for other servers.", TLSPARAM),
    file("tlsclients", "Client certificates that may relay.", TLS),
    file("tlshosts", "Hosts that must show a certificate.", TLS),
    file("tlsserverciphers", "Ciphers of the SMTP server.", TLSPARAM),
];
