"""The peers' side of the benchmarks, each module a worker process in an environment of its own, without tunelift."""
