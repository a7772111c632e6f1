"""What the benchmarks share: the work, the two ends of a worker, and the measuring."""
