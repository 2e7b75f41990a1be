"""The figures that Relay promises, measured beside its peers: `make bench` writes docs/benchmarks.md."""
