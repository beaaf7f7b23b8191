"""Define the keys that limit when, and with whose consent, a deployment may begin."""
