"""Signing sessions: what one official is asked to sign, shown in the browser, agreed to once. See README.md here."""
