"""Judges documents by EN 319 102-1. Never holds a private key."""
