"""Keys live here: PKCS#11 tokens, the keeper that holds their PIN, permits. Knows bytes, never documents."""
