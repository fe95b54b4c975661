//! The variables of one connection, as tcp-environ(5) has them.
//!
//! One process for each connection has them in its environment. The listener has many connections in one process, so
//! each gets a set of its own: from the addresses, and from the rule that let the client in. What a variable means is
//! the same in both forms; [`Client`](crate::client::Client) reads them, and a program in qmail-queue's place inherits
//! them.

use std::net::SocketAddr;

/// What a connection's variables say about it: never inherited from whoever started the listener.
const OF_A_CONNECTION: [&str; 9] = [
    "PROTO",
    "TCPREMOTEIP",
    "TCPREMOTEPORT",
    "TCPREMOTEHOST",
    "TCPREMOTEINFO",
    "TCPLOCALIP",
    "TCPLOCALPORT",
    "TCPLOCALHOST",
    "RELAYCLIENT",
];

/// Variables with their values.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Environment(Vec<(Vec<u8>, Vec<u8>)>);

impl Environment {
    /// What the two ends of a connection say.
    pub fn of_connection(remote: SocketAddr, local: Option<SocketAddr>) -> Self {
        let ip = |address: SocketAddr| address.ip().to_canonical().to_string().into_bytes();
        let port = |address: SocketAddr| address.port().to_string().into_bytes();
        let mut environment = Self::default();
        environment.set(b"PROTO", b"TCP".to_vec());
        environment.set(b"TCPREMOTEIP", ip(remote));
        environment.set(b"TCPREMOTEPORT", port(remote));
        if let Some(local) = local {
            environment.set(b"TCPLOCALIP", ip(local));
            environment.set(b"TCPLOCALPORT", port(local));
        }
        environment
    }

    /// Sets a variable, over its old value.
    pub fn set(&mut self, name: &[u8], value: Vec<u8>) {
        match self.0.iter_mut().find(|(variable, _)| variable == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_vec(), value)),
        }
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.0.iter().find(|(variable, _)| variable == name.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }

    /// All variables that are set.
    pub fn variables(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// Those that a program must not find.
    pub fn unset(&self) -> impl Iterator<Item = &'static str> {
        OF_A_CONNECTION.into_iter().filter(|name| self.get(name).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_learns_who_sent_the_message_and_nothing_stale() {
        let remote = "[::ffff:192.0.2.7]:4711".parse().unwrap();
        let mut environment = Environment::of_connection(remote, Some("192.0.2.1:25".parse().unwrap()));
        assert_eq!(environment.get("TCPREMOTEIP"), Some(&b"192.0.2.7"[..]));
        assert_eq!(environment.get("TCPLOCALPORT"), Some(&b"25"[..]));
        let unset: Vec<_> = environment.unset().collect();
        assert_eq!(unset, ["TCPREMOTEHOST", "TCPREMOTEINFO", "TCPLOCALHOST", "RELAYCLIENT"]);
        environment.set(b"RELAYCLIENT", Vec::new());
        environment.set(b"TCPREMOTEPORT", b"1".to_vec());
        assert!(!environment.unset().any(|name| name == "RELAYCLIENT"));
        assert_eq!(environment.variables().filter(|(name, _)| *name == b"TCPREMOTEPORT").count(), 1);
    }
}
