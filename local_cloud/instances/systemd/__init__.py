"""Do what systemd does for the services of an instance."""
