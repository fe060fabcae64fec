"""What outlives a process: database, records, blobs. See README.md; the door is `database.open_database`."""
