"""The benchmarks behind every number in README and docs."""
