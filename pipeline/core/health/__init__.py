"""Judge server groups: pure functions of observations."""
