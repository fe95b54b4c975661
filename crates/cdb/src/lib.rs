//! Constant databases, as users/cdb and morercpthosts.cdb use them.
