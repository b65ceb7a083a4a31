//! What an entry of the list does to its task.
