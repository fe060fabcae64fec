"""Tests of hsm."""
