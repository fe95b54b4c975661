//! Delivery to other hosts: routes, exchangers, SMTP sessions, results.
