"""Benchmarks, side by side with peers and a floor: `make bench`. Ratios and medians are what to trust."""
