"""Run programs on members of a group, and read what they say."""
