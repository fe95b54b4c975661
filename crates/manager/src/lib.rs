//! qmail-send's loop around the scheduler: descriptors, disk threads, bounces, log.
