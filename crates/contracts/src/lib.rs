//! Bytes between programs: exit codes, envelopes, spawner, clean and worker protocols.
