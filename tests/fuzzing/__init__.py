"""Mutated documents against the reader and the engine: `make fuzz` for the long run, a short one in `make test`."""
