"""A sealed adapter behind a server: what is loaded, how its seal is replayed, and the start."""
