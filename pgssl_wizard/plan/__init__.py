"""What would change; pure, hashed, serialisable."""
