"""Whole nodes in one process on virtual time: real parts, made-up machine, one seed."""
