//! How the C library's allocator behaves.

/// One heap for all threads, instead of one for each: a process whose threads mostly wait for the disk keeps less
/// memory that way, and loses nothing. Call it before there is a second thread.
pub fn share_among_threads() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes integers only and sets a parameter of the allocator.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
