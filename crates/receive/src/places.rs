//! How many sessions there are, in all and for each client address (contract 17.1 D8), and what that means for
//! those that are open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// How the server is doing, as far as its sessions must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// There is room.
    Open,
    /// All places are taken, and clients wait: whoever is slow must go.
    Crowded,
    /// It goes away.
    Closing,
}

/// The places of a server. Clones share them.
#[derive(Clone, Debug)]
pub struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    counts: Mutex<Counts>,
    freed: Notify,
    service: watch::Sender<Service>,
}

#[derive(Debug)]
struct Counts {
    taken: usize,
    most: usize,
    by_client: HashMap<IpAddr, usize>,
    most_each: usize,
}

/// One session's place, free again when dropped.
#[derive(Debug)]
pub struct Place {
    shared: Arc<Shared>,
    client: IpAddr,
}

impl Places {
    /// `most` sessions at once, of which each client may have `most_each`.
    pub fn new(most: usize, most_each: usize) -> Self {
        let counts = Counts { taken: 0, most, by_client: HashMap::new(), most_each };
        let service = watch::Sender::new(Service::Open);
        Self(Arc::new(Shared { counts: Mutex::new(counts), freed: Notify::new(), service }))
    }

    /// How the server is doing, now and from now on.
    pub fn service(&self) -> watch::Receiver<Service> {
        self.0.service.subscribe()
    }

    /// Tells all sessions that the server goes away.
    pub fn close(&self) {
        self.0.service.send_replace(Service::Closing);
    }

    /// Changes the limits for sessions to come.
    pub fn resize(&self, most: usize, most_each: usize) {
        let mut counts = self.0.lock();
        (counts.most, counts.most_each) = (most, most_each);
        drop(counts);
        self.0.freed.notify_waiters();
    }

    /// Waits until fewer sessions are open than may be.
    pub async fn wait_for_room(&self) {
        self.wait_until(|counts| counts.taken < counts.most).await;
    }

    /// Waits until no session is open.
    pub async fn all_free(&self) {
        self.wait_until(|counts| counts.taken == 0).await;
    }

    /// Takes a place; `None` if this client has as many as it may.
    ///
    /// A client is an IPv4 address or an IPv6 /64. Clients that are `trusted` and those on this very host are only
    /// counted together with all others.
    pub fn take(&self, address: IpAddr, trusted: bool) -> Option<Place> {
        let client = client_of(address);
        let mut counts = self.0.lock();
        let most_each = if trusted || client.is_loopback() { usize::MAX } else { counts.most_each };
        let of_client = counts.by_client.entry(client).or_insert(0);
        if *of_client >= most_each {
            return None;
        }
        *of_client = of_client.saturating_add(1);
        counts.taken = counts.taken.saturating_add(1);
        if counts.taken >= counts.most {
            self.0.turn(Service::Open, Service::Crowded);
        }
        Some(Place { shared: self.0.clone(), client })
    }

    async fn wait_until(&self, enough: impl Fn(&Counts) -> bool) {
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if enough(&self.0.lock()) {
                return;
            }
            freed.await;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, from: Service, to: Service) {
        self.service.send_if_modified(|service| {
            let turns = *service == from;
            if turns {
                *service = to;
            }
            turns
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.shared.lock();
        counts.taken = counts.taken.saturating_sub(1);
        if let Some(of_client) = counts.by_client.get_mut(&self.client) {
            *of_client = of_client.saturating_sub(1);
            if *of_client == 0 {
                counts.by_client.remove(&self.client);
            }
        }
        // Not at the first free place, or a busy server would change its mind with every session.
        if counts.taken <= counts.most.saturating_mul(3).checked_div(4).unwrap_or(0) {
            self.shared.turn(Service::Crowded, Service::Open);
        }
        drop(counts);
        self.shared.freed.notify_waiters();
    }
}

/// The address that stands for a client: whoever has one IPv6 address has a /64 of them.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) if !six.is_loopback() => IpAddr::V6((u128::from(six) & (u128::MAX << 64)).into()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_share_and_gives_it_back() {
        let places = Places::new(10, 2);
        let take = |address: &str| places.take(address.parse().unwrap(), false);
        let (first, _second) = (take("192.0.2.1").unwrap(), take("192.0.2.1").unwrap());
        assert!(take("192.0.2.1").is_none());
        let _other = take("192.0.2.2").unwrap();
        drop(first);
        assert!(take("192.0.2.1").is_some());
        let _six = (take("2001:db8::1").unwrap(), take("2001:db8::2").unwrap());
        assert!(take("2001:db8::3").is_none());
        let own: Vec<_> = (0..5).map(|_| take("127.0.0.1").unwrap()).collect();
        assert_eq!(own.len(), 5);
        assert!(places.take("192.0.2.1".parse().unwrap(), true).is_some());
    }

    #[test]
    fn a_full_server_is_crowded_until_there_is_some_room() {
        let places = Places::new(4, 9);
        let service = places.service();
        let take = || places.take("192.0.2.1".parse().unwrap(), false).unwrap();
        let mut taken: Vec<_> = (0..3).map(|_| take()).collect();
        assert_eq!(*service.borrow(), Service::Open);
        taken.push(take());
        assert_eq!(*service.borrow(), Service::Crowded);
        taken.pop();
        assert_eq!(*service.borrow(), Service::Open);
        places.close();
        taken.clear();
        assert_eq!(*service.borrow(), Service::Closing);
    }

    #[tokio::test]
    async fn a_full_server_waits_until_somebody_leaves() {
        let places = Places::new(1, 9);
        let place = places.take("192.0.2.1".parse().unwrap(), false).unwrap();
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.wait_for_room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(place);
        waiting.await.unwrap();
        places.all_free().await;
    }
}
