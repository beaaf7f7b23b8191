"""Connect the Auto Scaling state machine to moto: the groups of each region, and their launches."""
