//! The end of a message: its bounce, and the files that are ours (contract 4.4 D, 7.6).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use address::verp;
use message::bounce::Notice;
use queue::door::{Accepted, Door};
use queue::{Queue, QueueId};
use schedule::{Burial, Channel, Event};
use telemetry::{Line, line};

use crate::work::{Bounce, Kind, Results, warning};

/// Checks that a message is finished; removes its info file if there is nothing to bounce.
pub(crate) fn bury(queue: &Queue, results: &Results, id: QueueId) {
    let mut log = Vec::new();
    let burial = buried(queue, id, &mut log).unwrap_or(Burial::Trouble);
    results.send(log, Event::Buried(id, burial));
}

fn buried(queue: &Queue, id: QueueId, log: &mut Vec<u8>) -> io::Result<Burial> {
    let layout = queue.layout();
    let mut exists = |file: String, stat: io::Result<Option<queue::disk::Stat>>| {
        if stat.is_err() {
            log.extend(warning("unable to stat ", &file, "; will try again later"));
        }
        stat.map(|found| found.is_some())
    };
    for channel in Channel::BOTH {
        if exists(layout.channel(channel, id), queue.stat_channel(id, channel))? {
            return Ok(Burial::NotDead);
        }
    }
    if exists(layout.envelope(id), queue.stat_todo(id))? || !exists(layout.info(id), queue.stat_info(id))? {
        return Ok(Burial::NotDead);
    }
    if exists(layout.bounce(id), queue.stat_bounce(id))? {
        return Ok(Burial::BounceWaits);
    }
    if queue.remove_info(id).is_err() {
        log.extend(warning("unable to unlink ", &layout.info(id), "; will try again later"));
        return Ok(Burial::Trouble);
    }
    Ok(Burial::Ended)
}

/// Sends a bounce, then removes bounce and info.
pub(crate) fn bounce(home: &Path, queue: &Queue, results: &Results, job: &Bounce) {
    let mut log = Vec::new();
    let ok = send(home, queue, job, &mut log) && remove(queue, job.id, &mut log);
    results.send_as(Kind::BounceSent(job.sequence), log, Event::Bounced(job.id, ok));
}

fn remove(queue: &Queue, id: QueueId, log: &mut Vec<u8>) -> bool {
    let layout = queue.layout();
    for (file, result) in
        [(layout.bounce(id), queue.remove_bounce(id)), (layout.info(id), queue.remove_info(id))]
    {
        if result.is_err() {
            log.extend(warning("unable to unlink ", &file, "; will try again later"));
            return false;
        }
    }
    true
}

/// Whether the bounce is dealt with.
fn send(home: &Path, queue: &Queue, job: &Bounce, log: &mut Vec<u8>) -> bool {
    let id = job.id;
    let Ok(info) = queue.read_info(id) else {
        log.extend(warning("unable to stat ", &queue.layout().info(id), "; will try again later"));
        return false;
    };
    // Gone since we looked: an earlier try sent it and could not remove everything.
    let Ok(Some(told)) = queue.stat_bounce(id) else { return true };
    let sender = verp::base(&info.sender);
    if sender == b"#@[]" {
        Line::TripleBounce(id.0).append_to(log);
        return true;
    }
    let double = sender.is_empty();
    if double && job.settings.double_bounce_to.is_none() {
        Line::DoubleBounce(id.0).append_to(log);
        return true;
    }
    let mut result = inject(home, queue, job, sender, double);
    if matches!(result, Trouble::Refused) && overdue(job, told.modified) {
        // Nobody takes it, not even after a lifetime: the postmaster's, then nobody's (D28).
        result = if double { result } else { inject(home, queue, job, sender, true) };
        if matches!(result, Trouble::Refused) {
            Line::UnwantedBounce(id.0).append_to(log);
            return true;
        }
    }
    match result {
        Trouble::None(accepted) => {
            Line::Bounced { id: id.0, qp: accepted.qp }.append_to(log);
            true
        }
        Trouble::NoProgram => {
            line::NO_QUEUE.append_to(log);
            false
        }
        Trouble::Refused | Trouble::Passing => {
            line::BOUNCE_TROUBLE.append_to(log);
            false
        }
    }
}

fn overdue(job: &Bounce, told: i64) -> bool {
    job.now > crate::work::seconds(told).saturating_add(job.settings.lifetime)
}

enum Trouble {
    None(Accepted),
    /// Refused for good.
    Refused,
    /// Refused for now, or unreadable.
    Passing,
    NoProgram,
}

/// Ends a copy that control/bouncemaxbytes has cut.
const STRIPPED: &[u8] = b"\n--- End of message stripped.\n";

fn inject(home: &Path, queue: &Queue, job: &Bounce, sender: &[u8], double: bool) -> Trouble {
    let settings = &job.settings;
    let (from, to): (&[u8], &[u8]) = match (&settings.double_bounce_to, double) {
        // Nobody takes the bounce, and nobody wants to know.
        (None, true) => return Trouble::Refused,
        (Some(to), true) => (b"#@[]", to),
        (_, false) => (b"", sender),
    };
    let notice = Notice {
        from_local: &settings.bounce_from,
        from_host: &settings.bounce_host,
        recipient: to,
        sender,
        double,
        now: job.now,
    };
    let (Ok(Some(told)), Ok(original)) = (queue.open_bounce(job.id), queue.open_message(job.id)) else {
        return Trouble::Passing;
    };
    let Ok(mut out) = Door::from_environment(home).open() else { return Trouble::NoProgram };
    out.write(&notice.head());
    let mut copy = |mut file: &File| io::copy(&mut file, &mut out).is_ok();
    let mut whole = copy(&told);
    out.write(&notice.separator());
    let most = match settings.bounce_max_bytes {
        0 => u64::MAX,
        most => most,
    };
    let file: &File = &original;
    whole &= io::copy(&mut file.take(most), &mut out).is_ok();
    match original.metadata() {
        Ok(file) if file.len() > most => out.write(STRIPPED),
        Ok(_) => {}
        Err(_) => whole = false,
    }
    if !whole {
        out.fail();
    }
    out.sender(from);
    out.recipient(to);
    match out.finish() {
        Ok(accepted) if whole => Trouble::None(accepted),
        Err(refused) if whole && refused.is_permanent() => Trouble::Refused,
        _ => Trouble::Passing,
    }
}
