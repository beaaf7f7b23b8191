"""The work of one command on one environment: read it, lease it, change it."""
