//! Log lines, built in one place.
