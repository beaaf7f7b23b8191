"""Set up a service: write its files, rehearse it, take over a running group."""
