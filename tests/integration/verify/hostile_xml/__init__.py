"""Hostile XML signatures of our own, each with its expected report, and honest ones beside them."""
