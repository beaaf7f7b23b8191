"""What `init` says: the files and the next commands, and the end of a rehearsal."""
