"""Say what a release brings, compared with the one that serves; pure."""
