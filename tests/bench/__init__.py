"""Measurements, not tests: `make bench` prints each figure beside the value to reach."""
