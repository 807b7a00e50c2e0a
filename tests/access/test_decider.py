"""Rules compiled for many attempts give the same answers as the plain reading, rule by rule."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgssl_wizard.access.decide import Attempt, ClientCertificate, decide
from pgssl_wizard.access.decider import Decider
from pgssl_wizard.access.explain import compare
from pgssl_wizard.files.ident import parse_maps
from tests.access import generating, rules
from tests.access.generating import ROLES
from tests.access.rules import ATTEMPTS, OWN, parse

HOSTS = ("localhost", ".example.com", "DB.Example.COM", "com", ".", "db.example.com.")


@settings(max_examples=150, deadline=None)
@given(rules.files(), st.sampled_from((13, 15, 16, 19)), st.booleans())
def test_every_attempt_ends_the_same_as_rule_by_rule(text: str, major: int, ssl_ca: bool) -> None:
    """Whatever the file, whoever comes."""
    parsed = parse(text, major)
    decider = Decider(parsed, major, ssl_ca=ssl_ca, own_ranges=OWN)
    for attempt in ATTEMPTS:
        assert decider.decide(attempt) == decide(parsed, attempt, major, ssl_ca=ssl_ca, own_ranges=OWN)


@pytest.mark.parametrize("version", [13, 18])
def test_long_files_with_all_that_can_decide_end_the_same(version: int) -> None:
    """Thousands of rules fall into several blocks; names come again and again and are remembered."""
    rng = random.Random(version)  # noqa: S311 - nothing secret
    lines = [generating.a_line(rng, version, HOSTS) for _ in range(2_500)]
    # Most of them for one client each, so that the deciding rule lies anywhere.
    text = "".join(
        f"{line.real() if number % 25 == 0 else f'host db{number} alice 127.0.0.1/32 reject'}\n" for number, line in enumerate(lines)
    )
    others = {Path("/etc/pg/names"): b"alice bob\nshop"}
    narrow = [line for line in parse(text, version, others) if line.databases[0].text != "all" or line.line % 100 == 0]
    ident = Path("/i")
    text = generating.a_map(rng, version, ["alice", "shop"], ["CN=alice"])
    maps = parse_maps(ident, version, lambda _: text.encode(), lambda _: None)
    decider = Decider(narrow, version, ssl_ca=True, own_ranges=OWN, maps=maps)
    found: set[int | None] = set()
    for number in range(600):
        drawn = generating.a_try(rng, ("127.0.0.1", "127.1.2.3", "::1", "10.1.2.3"), {"alice": "alice", "shop": "shop"})
        attempt = Attempt(
            f"db{rng.randrange(2_500)}" if number % 2 else drawn.database,
            "alice" if number % 2 else drawn.user,
            drawn.source,
            drawn.tls,
            gss=not drawn.tls and number % 7 == 0,
            certificate=ClientCertificate(drawn.certificate, f"CN={drawn.certificate}") if drawn.certificate else None,
            replication=drawn.replication,
            roles=ROLES.get(drawn.user, ()),
            host_name=rng.choice((None, "localhost", "db.example.com", "example.com", "x.localhost")),
            exists=number % 5 > 0,
        )
        plain = decide(narrow, attempt, version, ssl_ca=True, own_ranges=OWN, maps=maps)
        assert decider.decide(attempt) == plain
        if plain.rule and number % 20 == 0:
            told = compare(narrow, attempt, version, own_ranges=OWN)
            assert told[-1].rule is plain.rule
        found.add(plain.rule.line if plain.rule else None)
    assert None in found
    assert max(line or 0 for line in found) > 2_048
