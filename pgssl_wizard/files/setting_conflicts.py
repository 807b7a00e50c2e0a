"""Settings that each are fine and together keep the server from starting. Source: PostmasterMain in postmaster.c."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def conflicts(major: int, value: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Yield what a server says as it gives up after it has read its settings, and the setting that is first to look at.

    Args:
        major: the server's.
        value: of a setting by folded name, as pg_settings shows it; the default where nothing sets it.
    """
    yield from _too_few_connections(major, value)
    if value("wal_level") != "minimal":
        return
    quoted = major >= 17
    if value("archive_mode") != "off":
        level = '"wal_level"' if quoted else "wal_level"
        yield "wal_level", f'WAL archival cannot be enabled when {level} is "minimal"'
    if int(value("max_wal_senders")) > 0:
        senders = '"max_wal_senders" > 0) requires "wal_level" to be' if quoted else "max_wal_senders > 0) requires wal_level"
        yield "wal_level", f'WAL streaming ({senders} "replica" or "logical"'
    if major >= 17 and value("summarize_wal") == "on":
        yield "wal_level", 'WAL cannot be summarized when "wal_level" is "minimal"'
    if major >= 19 and value("sync_replication_slots") == "on":
        yield (
            "wal_level",
            'replication slot synchronization ("sync_replication_slots" = on) requires "wal_level" to be "replica" or "logical"',
        )


def _too_few_connections(major: int, value: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    names = ["superuser_reserved_connections", *(["reserved_connections"] if major >= 16 else [])]
    if sum(int(value(name)) for name in names) < int(value("max_connections")):
        return
    quote = '"' if major >= 17 else ""
    reserved = " plus ".join(f"{quote}{name}{quote} ({value(name)})" for name in names)
    yield "max_connections", f"{reserved} must be less than {quote}max_connections{quote} ({value('max_connections')})"
