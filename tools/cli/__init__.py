"""The command line ``carbonode``: for operators and for people with a key."""
