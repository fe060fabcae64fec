"""Whether others accept what Kyso signs: every level, algorithm and path, before every reader at hand. See README.md."""
