"""Define and check [[notify]] and [notify_check]."""
