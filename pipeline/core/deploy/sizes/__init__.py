"""The sizes of groups: grow one that is to take over, and set the size of the one that serves."""
