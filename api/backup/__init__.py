"""Backups: what a file of one is (`envelope`, `manifest`). Making and restoring them: `api.workflows.{backup,restoring}`."""
