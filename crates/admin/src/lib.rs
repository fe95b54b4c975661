//! The commands of quail(1).
