"""The major versions that this program knows. What each of them knows is in `known_settings` and `auth_methods`."""

from __future__ import annotations

OLDEST = 13
NEWEST = 19
