"""Offline audit: every block again from the genesis. See docs/ARCHITECTURE.md."""
