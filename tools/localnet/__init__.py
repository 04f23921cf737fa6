"""A whole chain of real processes on loopback: for development, tests and benchmarks."""
