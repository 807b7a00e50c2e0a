"""Keys and certificates: profiles, making, reading, and the same by hand."""
