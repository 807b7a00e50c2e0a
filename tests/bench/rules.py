"""How fast a pg_hba.conf of 100,000 rules is read, edited, compared and converted, and what it takes in memory."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from pgssl_wizard.access.convert import Wanted, convert
from pgssl_wizard.files.diff import unified
from pgssl_wizard.files.hba import Rule, parse_rules
from pgssl_wizard.files.hba_edit import LinesEditor

COUNT = 100_000
HBA = Path("/pg_hba.conf")
WANTED = (Wanted(True), Wanted(True, "verify-full"), Wanted(False, "verify-full"), Wanted(True, "cert"))


def big_file() -> bytes:
    """Return the file: aligned rules of all kinds, hardly two alike."""
    rng = random.Random(1)  # noqa: S311 - nothing secret
    lines = []
    for number in range(COUNT):
        kind = rng.choice(("host", "hostssl", "hostnossl", "local"))
        database = rng.choice(("all", f"db{number}", f"app,db{number}", "replication"))
        user = rng.choice(("all", f"user{number}", f"+group{number % 50}"))
        method = rng.choice(("md5", "scram-sha-256", "reject", "trust", "ident map=staff" if kind == "local" else "password"))
        option = " clientcert=verify-full" if kind == "hostssl" and number % 3 == 0 else ""
        low = f"{number >> 16}.{(number >> 8) & 255}.{number & 255}"
        address = rng.choice(
            (f"10.{low}/32", f"10.{low}/32", f"10.{low} 255.255.255.255", f"fd00::{number:x}/128", f"h{number}.example.com")
        )
        lines.append(f"{kind:10}{database:16}{user:16}{'' if kind == 'local' else address:32}{method}{option}")
    return "\n".join(lines).encode() + b"\n"


def read(data: bytes) -> tuple[Rule, ...]:
    """Read the file."""
    return parse_rules(HBA, 17, lambda _: data, lambda _: None)


def seconds(work: Callable[[], object]) -> float:
    """Return how long some work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def split(data: bytes) -> list[list[str]]:
    """Do the least that can be done with the lines of a file."""
    return [line.split() for line in data.decode().splitlines()]


def read_by_pgtoolkit(data: bytes) -> object:
    """Read the file with the library of this field."""
    from pgtoolkit import hba

    return hba.parse(data.decode().splitlines(keepends=True))


def edited(data: bytes) -> float:
    """Return the seconds of one edit in the middle and the diff that shows it."""
    begun = time.perf_counter()
    editor = LinesEditor(data, 17)
    editor.change(COUNT // 2, kind="hostssl")
    assert unified(data, editor.result(), "pg_hba.conf").count("\n+") == 2
    return time.perf_counter() - begun


def converted(data: bytes, rules: tuple[Rule, ...]) -> float:
    """Return the seconds in which every rule is converted, the slowest of the ways to do it."""
    return max(seconds(lambda wanted=wanted: convert(rules, {HBA: data}, HBA, 17, wanted)) for wanted in WANTED)  # type: ignore[misc]


def bytes_a_line(data: bytes) -> float:
    """Return the peak of memory that reading takes, over the text, a line."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        rules = read(data)
        return (tracemalloc.get_traced_memory()[1] - before) / len(rules)
    finally:
        tracemalloc.stop()
