"""Widgets that several steps share."""
