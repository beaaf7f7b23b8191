"""Judge a server group: pure functions of what AWS answered."""
