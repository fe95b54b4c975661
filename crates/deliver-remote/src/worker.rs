//! The warm form: `qmail-remote --worker`, many deliveries at once in one thread.
//!
//! Requests come as packets on one socket, each with its message's descriptor; answers go back as they come about
//! (contracts::remote_worker). The worker leaves when the socket is closed or nothing was asked for a while.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use contracts::HELLO;
use contracts::remote_worker::{PACKET_MAX_BYTES, decode_request, encode_answer};
use os::packet;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::classic::say_goodbye;
use crate::delivery::Deliverer;
use crate::pool::Pool;
use crate::text;

/// A worker with nothing to do leaves after this.
pub const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// Deliveries at once; qmail-rspawn has 120 slots. Beyond it requests wait in the socket.
pub const MOST_DELIVERIES: usize = 256;

/// Idle connections are looked at this often.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

struct Shared {
    /// Waited for in one direction: it becomes writable whenever qmail-rspawn reads an answer, which is no news.
    socket: AsyncFd<OwnedFd>,
    deliverer: Deliverer,
    pool: Pool,
    running: Cell<usize>,
    /// A delivery has ended.
    ended: Notify,
}

/// Serves requests on `socket` until there are none. Must run inside a `LocalSet`.
pub async fn serve(home: &Path, socket: OwnedFd) -> io::Result<()> {
    packet::set_nonblocking(&socket, true)?;
    packet::send(socket.as_fd(), HELLO, None)?;
    let pool = Pool::new();
    let shared = Rc::new(Shared {
        socket: waited_for(socket, Interest::READABLE)?,
        deliverer: Deliverer::new(home, Some(pool.clone())),
        pool,
        running: Cell::new(0),
        ended: Notify::new(),
    });
    let sweeper = tokio::task::spawn_local(sweep(shared.pool.clone()));
    let served = receive_all(&shared).await;
    sweeper.abort();
    say_goodbye(shared.pool.expired(true)).await;
    served
}

/// An owned descriptor keeps its number for as long as it lives, which is what the new, unsafe form asks for.
#[expect(deprecated)]
fn waited_for(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, interest)
}

/// Takes requests until the socket is closed or nothing has been going on for [`IDLE_LIMIT`].
async fn receive_all(shared: &Rc<Shared>) -> io::Result<()> {
    let mut buffer = vec![0; PACKET_MAX_BYTES];
    let mut quiet_since = Instant::now();
    loop {
        if shared.running.get() >= MOST_DELIVERIES {
            shared.ended.notified().await;
            continue;
        }
        let ready = tokio::select! {
            ready = shared.socket.readable() => Some(ready?),
            () = shared.ended.notified() => None,
            () = tokio::time::sleep_until(quiet_since + IDLE_LIMIT), if shared.running.get() == 0 => return Ok(()),
        };
        quiet_since = Instant::now();
        let Some(mut ready) = ready else { continue };
        let Ok(received) = ready.try_io(|socket| packet::receive(socket.as_fd(), &mut buffer)) else {
            continue;
        };
        let received = received?;
        if received.length == 0 {
            return Ok(());
        }
        let bytes = buffer.get(..received.length).filter(|_| !received.truncated).unwrap_or_default();
        let Ok((number, transaction)) = decode_request(bytes) else {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        };
        shared.running.set(shared.running.get().saturating_add(1));
        let task = Rc::clone(shared);
        tokio::task::spawn_local(async move {
            let mut leftover = Vec::new();
            let output = match received.attached {
                Some(message) => {
                    let delivered = task.deliverer.deliver(&transaction, File::from(message)).await;
                    leftover = delivered.leftover;
                    delivered.output
                }
                None => [text::UNREADABLE_MESSAGE, b"\0"].concat(),
            };
            task.answer(&encode_answer(number, &output)).await;
            task.running.set(task.running.get().saturating_sub(1));
            task.ended.notify_one();
            say_goodbye(leftover).await;
        });
    }
}

impl Shared {
    /// Nothing can be done about an answer that cannot be sent: whoever asked is gone, and so are we, soon.
    async fn answer(&self, packet: &[u8]) {
        let would_block =
            |sent: io::Result<()>| matches!(sent, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        let send = || packet::send(self.socket.as_fd(), packet, None);
        if !would_block(send()) {
            return;
        }
        // Rare enough to be waited for by a descriptor of its own.
        let Ok(own) = self.socket.as_fd().try_clone_to_owned() else { return };
        let Ok(own) = waited_for(own, Interest::WRITABLE) else { return };
        while let Ok(mut ready) = own.writable().await {
            if !would_block(send()) {
                return;
            }
            ready.clear_ready();
        }
    }
}

async fn sweep(pool: Pool) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let expired = pool.expired(false);
        if !expired.is_empty() {
            tokio::task::spawn_local(say_goodbye(expired));
        }
    }
}
