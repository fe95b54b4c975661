//! Mail exchangers and addresses, looked up and cached.
