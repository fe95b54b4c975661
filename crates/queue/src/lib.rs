//! The queue on disk: durable steps, readers, clean-up, and the door into it.
