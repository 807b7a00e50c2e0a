"""Every single step of a change and of its undoing fails, once or from there on: nothing is half done, and what is said of it is true.

Which steps are tried: as in `test_every_step`. After the failing run the disk works again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pgssl_wizard.change.pending import remarks
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.change.transaction import changed_since
from pgssl_wizard.errors import WizardError
from tests.change.test_every_step import Stage, Step, before_each_step, numbers, snapshot, stage_each, staged

pytestmark = pytest.mark.matrix

#: What a disk without room refuses; names can still be given, taken and exchanged, and modes too.
_NEEDS_ROOM = {"open", "write", "pwrite", "mkdir", "setxattr"}
#: Errors of the system by turns, so that each meets other steps in each scenario.
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EDQUOT)

#: As there; an error costs more than a kill, for a run goes on after it.
SAMPLE = 61

#: One of each kind: files that are new, a pair that is exchanged by a detour, SQL, a cluster that is down, kits.
KINDS = ("first TLS", "pair in use", "ALTER SYSTEM names the pair", "postgresql.auto.conf, down", "kits, client CA and CRL")


def outcome(body: Callable[[], object], number: int, error: int, *, for_good: bool) -> tuple[int, bool]:
    """Run with an error at a step, and perhaps at all later ones; return the exit code of it and whether there was such a step."""
    met = False

    def act(step: Step) -> None:
        nonlocal met
        if step.number < number or (step.number > number and not for_good):
            return
        met = True
        if step.name in {"kill", "sql"} or (error in {errno.ENOSPC, errno.EDQUOT} and step.name not in _NEEDS_ROOM):
            return
        raise OSError(error, os.strerror(error), str(step.arguments[0]))

    try:
        with before_each_step(act):
            body()
    except WizardError as problem:
        return problem.exit_code, met
    except OSError:
        # The command line says so as a refusal.
        return 3, met
    return 0, met


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """These kinds."""
    if "stage" in metafunc.fixturenames:
        stage_each(metafunc, KINDS)


@pytest.fixture
def stage(request: pytest.FixtureRequest, open_tmp_path: Path) -> Iterator[Stage]:
    """A cluster and a change of it."""
    yield from staged(request, open_tmp_path)


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_a_change_that_fails_at_any_step_is_refused_undone_or_left_for_rollback_to_finish(
    stage: Stage, pytestconfig: pytest.Config, *, for_good: bool
) -> None:
    """Success is said only of a change that stands; what was refused or rolled back has changed nothing."""
    codes = set()
    for turn, number in enumerate(numbers(pytestconfig, stage, SAMPLE)):
        error = ERRORS[turn % len(ERRORS)]
        code, met = outcome(stage.apply, number, error, for_good=for_good)
        if not met:
            assert code == 0
            break
        codes.add(code)
        told = f"step {number}, {errno.errorcode[error]}, exit code {code}"
        stage.assert_pair_matches()
        journal = stage.journal()
        if code == 0:
            assert journal is not None, told
            assert journal.state == "applied", told
        elif code in {3, 4}:
            assert snapshot(stage.cluster.base) == stage.before, told
            assert remarks(stage.data) == (), told
        else:
            assert code == 5, told
            assert journal is not None, told
            if journal.state == "applied":
                # The very last step: what stands is whole, only not surely on the disk.
                assert changed_since(journal) == (), told
                assert snapshot(stage.cluster.base) != stage.before, told
            else:
                assert [each.code for each in remarks(stage.data)] == ["interrupted-change"], told
        stage.assert_starts()
        stage.assert_rolls_back()
        stage.again()
    # A sample may meet one kind of end alone.
    assert codes & {3, 4} or not pytestconfig.getoption("every_step")


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_an_undoing_that_fails_at_any_step_says_so_and_the_next_one_comes_to_its_end(
    stage: Stage, pytestconfig: pytest.Config, *, for_good: bool
) -> None:
    """In between a server starts, and finds a pair that matches."""
    for turn, number in enumerate(numbers(pytestconfig, stage, SAMPLE)):
        stage.apply()
        applied = snapshot(stage.cluster.base)
        error = ERRORS[turn % len(ERRORS)]
        code, met = outcome(lambda: rollback(stage.data), number, error, for_good=for_good)
        told = f"step {number}, {errno.errorcode[error]}, exit code {code}"
        stage.assert_pair_matches()
        stage.assert_starts()
        if code == 3:
            assert snapshot(stage.cluster.base) == applied, told
        elif code == 5:
            assert [each.code for each in remarks(stage.data)] == ["interrupted-change"], told
        else:
            assert code == 0, told
            assert snapshot(stage.cluster.base) == stage.before, told
        if code:
            stage.assert_rolls_back()
        if not met:
            break
        stage.again()
