//! One delivery to a recipient of this host: .qmail and what it says.
