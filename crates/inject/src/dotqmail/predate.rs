//! predate(1): feeds a program the message with a Date field in local time before it.

use super::Ending;
use super::feed::Feed;
use message::date::DateTime;
use std::io::Read;

/// `child [ arg ... ]` at a point in time, where local time is so many seconds ahead of UTC.
pub fn run(command: &[Vec<u8>], seconds: u64, offset_seconds: i64, input: &mut dyn Read) -> Ending {
    if command.is_empty() {
        return Ending::usage("predate", "predate child");
    }
    let head = date_field(seconds, offset_seconds);
    Feed { feeder: "predate", head: head.as_bytes(), missing_is_permanent: false, must_read: false }
        .run(command, input)
}

/// `Date: 26 Sep 1995 06:46:54 +0200`
fn date_field(seconds: u64, offset_seconds: i64) -> String {
    let local = DateTime::from_unix(seconds.saturating_add_signed(offset_seconds));
    let sign = if offset_seconds < 0 { '-' } else { '+' };
    // Zones with seconds are of the past; they are rounded.
    let minutes = offset_seconds.unsigned_abs().saturating_add(30) / 60;
    format!(
        "Date: {} {} {} {:02}:{:02}:{:02} {sign}{:02}{:02}\n",
        local.day,
        local.month_name(),
        local.year,
        local.hour,
        local.minute,
        local.second,
        minutes / 60,
        minutes % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_carry_their_zone() {
        let at = 812_090_814;
        assert_eq!(date_field(at, 0), "Date: 26 Sep 1995 04:46:54 +0000\n");
        assert_eq!(date_field(at, 5 * 3600 + 1800), "Date: 26 Sep 1995 10:16:54 +0530\n");
        assert_eq!(date_field(at, -5 * 3600), "Date: 25 Sep 1995 23:46:54 -0500\n");
        assert_eq!(date_field(at, -3599), "Date: 26 Sep 1995 03:46:55 -0100\n");
    }
}
