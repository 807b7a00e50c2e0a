"""What the proof hands to clients can be compared and copied: nothing of it is cut."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pgssl_wizard.screens.proof import ProofStep
from pgssl_wizard.screens.text import broken, fingerprint, listed, some
from tests.screens.sample import SampleApp
from tests.screens.walking import app, go_on_to, settle, shown

DIGEST = "".join(f"{number:02x}" for number in range(160, 192))
WHOLE = ":".join(f"{number:02X}" for number in range(160, 192))
ROOT = Path("/srv/keys/of/the/database/people/in/house/certificate-authority/root.crt")


@pytest.mark.parametrize("size", [(80, 24), (60, 18), (110, 30), (120, 24), (120, 40), (160, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_fingerprint_and_the_roots_path_are_shown_whole_at_every_size(size: tuple[int, int]) -> None:
    """Where they do not fit at once they are scrolled to."""
    async with SampleApp().run_test(size=size) as pilot:
        await go_on_to(pilot, "proof")
        step = pilot.app.screen
        assert isinstance(step, ProofStep)
        made = app(pilot).journey.change
        assert made is not None
        app(pilot).journey.change = replace(made, trust_anchor=ROOT, trust_anchor_sha256=DIGEST)
        step.redraw()
        await settle(pilot)
        seen = shown(pilot)
        while not pilot.app.screen.query_one("#body").is_vertical_scroll_end:
            await pilot.press("down")
            await settle(pilot)
            seen += "\n" + shown(pilot)
        found = [pair for row in re.findall(r"(?:[0-9A-F]{2}:){3,}(?:[0-9A-F]{2})?", seen) for pair in row.rstrip(":").split(":")]
        assert set(found) == set(WHOLE.split(":"))
        for part in ROOT.parts[1:]:
            assert part in seen


@pytest.mark.parametrize(("width", "rows"), [(100, 1), (57, 2), (48, 2), (28, 4), (20, 8)])
def test_a_fingerprint_breaks_at_colons_into_even_lines(width: int, rows: int) -> None:
    """So that it is compared line by line."""
    found = fingerprint(DIGEST, width)
    assert "".join(found) == WHOLE
    assert len(found) == rows
    assert len({row.count(":") for row in found[:-1]}) <= 1
    assert max(len(row) for row in found) <= width


@pytest.mark.parametrize("text", ["/a/b", str(ROOT), "/" + "x" * 70 + "/y", "no-slash-at-all-in-a-name-longer-than-a-line", ""])
def test_a_broken_path_is_the_same_path(text: str) -> None:
    """Every line fits."""
    found = broken(text, 28, "/")
    assert "".join(found) == text
    assert max(len(row) for row in found) <= 28


@pytest.mark.parametrize(
    ("names", "width", "said"),
    [
        (("app", "repl", "report", "web"), 40, "app, repl, report, web"),
        (("app", "repl", "report", "web"), 21, "app, repl and 2 more"),
        (("app", "repl", "report", "web"), 5, "app and 3 more"),
        (("a" * 30, "b" * 30), 40, f"{'a' * 30}, {'b' * 30}"),
        ((), 10, ""),
    ],
)
def test_names_are_listed_as_far_as_they_fit_and_a_single_one_is_never_left_out(names: tuple[str, ...], width: int, said: str) -> None:
    """The words for it take as much room."""
    assert listed(names, width) == said


def test_of_many_things_one_too_many_is_shown_as_well() -> None:
    """And from two on they are counted."""
    assert some("abcd", 3) == ("abcd", 0)
    assert some("abcde", 3) == ("abc", 2)
