//! Starting the programs with their descriptors and identities, and starting them again.
