"""TLS versions, cipher suites and groups."""
