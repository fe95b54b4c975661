//! Who owns an address: users/assign, users/cdb and the account rules.
