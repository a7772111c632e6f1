"""Our side of the benchmarks, each module a worker process."""
