"""Routes of the server: one a file."""
