"""TLS for PostgreSQL, step by step: inspect, choose, preview, apply, prove, undo."""

__version__ = "0.1.0"
