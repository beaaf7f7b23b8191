"""The keys of [promote]: how traffic moves, and what decides."""
