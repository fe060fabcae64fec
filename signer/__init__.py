"""Makes signatures: prepare, sign elsewhere, complete. Never holds a private key."""
