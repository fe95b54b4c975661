//! Who may connect to the listener, and with which variables: control/tcprules and control/tcprules.cdb, as tcpserver
//! looks into the database that it is given.
//!
//! The files are looked at again when a client comes and [`REFRESH_TIME`] has passed: a change needs no signal.

use crate::environment::Environment;
use crate::log;
use cdb::ReadError;
use dns::{Lookup, Resolver};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tcp_rules::{Question, Rule, Rules, RulesError};
use tokio::time::Instant;

/// How often the files are looked at, at most.
const REFRESH_TIME: Duration = Duration::from_secs(1);

/// How long the name of a client may be looked for, where rules ask for names.
const NAME_TIME: Duration = Duration::from_secs(10);

/// What the rules say about a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It may connect, and these variables are set.
    Allowed(Rule),
    /// It may not.
    Denied,
}

/// The rules in force.
#[derive(Debug)]
pub struct Admissions(Mutex<State>);

#[derive(Debug)]
struct State {
    rules: Rules,
    looked: Instant,
}

impl Admissions {
    /// Reads the rules of the installation at `home`.
    pub fn open(home: &Path) -> Result<Self, RulesError> {
        let rules = Rules::open(&home.join("control"))?;
        Ok(Self(Mutex::new(State { rules, looked: Instant::now() })))
    }

    /// True if the name of a client may matter.
    pub fn ask_for_names(&self) -> bool {
        self.state().rules.ask_for_names()
    }

    /// What is said about a client. A database that cannot be read lets nobody in.
    pub fn judge(&self, address: IpAddr, host: Option<&[u8]>) -> Result<Admission, ReadError> {
        let question = Question { address, host, info: None };
        Ok(match self.state().rules.find(question)? {
            Some(rule) if rule.denies => Admission::Denied,
            Some(rule) => Admission::Allowed(rule),
            None => Admission::Allowed(Rule::default()),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= REFRESH_TIME {
            state.looked = Instant::now();
            for outcome in state.rules.refresh() {
                match outcome {
                    Ok(file) => log::line(&format!("{} read again", file.display())),
                    Err(error) => log::line(&format!("warning: rules not read again: {error}")),
                }
            }
        }
        state
    }
}

/// The name of a client, if that name has the client's address: anybody can call his address what he likes.
pub async fn name_of(address: IpAddr, resolver: &Resolver) -> Option<Vec<u8>> {
    let address = address.to_canonical();
    let look_up = async {
        let Lookup::Found(name) = resolver.name_of(address).await else { return None };
        match resolver.addresses(&name).await {
            Lookup::Found(addresses) if addresses.contains(&address) => Some(name.to_ascii_lowercase()),
            _ => None,
        }
    };
    tokio::time::timeout(NAME_TIME, look_up).await.ok()?
}

/// Adds what the rule sets to the variables of a connection.
pub fn apply(rule: &Rule, environment: &mut Environment) {
    for (name, value) in &rule.variables {
        environment.set(name, value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_let_in_and_set_variables() {
        let home = tempfile::tempdir().unwrap();
        let control = home.path().join("control");
        std::fs::create_dir(&control).unwrap();
        std::fs::write(control.join("tcprules"), "192.0.2.7:allow,DATABYTES=\"5\"\n192.:deny\n").unwrap();
        let admissions = Admissions::open(home.path()).unwrap();
        let judge = |address: &str| admissions.judge(address.parse().unwrap(), None).unwrap();
        assert_eq!(judge("192.0.2.8"), Admission::Denied);
        assert_eq!(judge("203.0.113.1"), Admission::Allowed(Rule::default()));
        let Admission::Allowed(rule) = judge("192.0.2.7") else { panic!("it is denied") };
        let mut environment = Environment::default();
        apply(&rule, &mut environment);
        assert_eq!(environment.get("DATABYTES"), Some(&b"5"[..]));
    }
}
