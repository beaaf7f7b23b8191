"""Starting a service: what `init` writes, from which answers, and what it finds already there."""
