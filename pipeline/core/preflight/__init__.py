"""Check an environment before anything is changed."""
