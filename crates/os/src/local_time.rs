//! The time zone of this machine, or of `TZ`.

/// How far local time is ahead of UTC at `seconds` since 1970, in seconds; negative in the west. 0 where nobody knows.
pub fn offset_seconds(seconds: u64) -> i64 {
    let Ok(time) = libc::time_t::try_from(seconds) else { return 0 };
    let mut parts = std::mem::MaybeUninit::<libc::tm>::uninit();
    // SAFETY: localtime_r reads one integer and writes the structure that is given, which is large enough for it.
    let filled = unsafe { libc::localtime_r(&raw const time, parts.as_mut_ptr()) };
    if filled.is_null() {
        return 0;
    }
    // SAFETY: it has answered with the structure's address, so it has filled it in.
    unsafe { parts.assume_init() }.tm_gmtoff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_zone_is_further_than_a_day() {
        for seconds in [0, 1_800_000_000, u64::MAX] {
            assert!(offset_seconds(seconds).abs() < 86_400);
        }
    }
}
