"""Documents on the disk, encrypted: the keys (`keys`), the form of a file (`container`), and the store (`blobs`)."""
