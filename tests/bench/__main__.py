"""`make bench`: each figure beside the value to reach. Ratios come from runs in turn, so that a drifting machine does not matter."""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import access, kits, known, rules
from tests.bench.pty_timing import Program
from tests.servers import RealCluster, available

CHECKOUT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
RUNS = 7


def main() -> None:
    """Measure everything and print a table."""
    of_rules()
    of_access()
    of_kits()
    of_known()
    major = max(available())
    with RealCluster.make(Path(tempfile.mkdtemp(prefix="pgb-", dir="/tmp")), major) as cluster:
        cluster.start()
        print(f"PostgreSQL {cluster.programs.version}, Python {sys.version.split()[0]}, medians of {RUNS} runs\n")
        wizard = [PYTHON, "-m", "pgssl_wizard", "setup", str(cluster.data_directory)]
        show(
            "first frame, against an empty Textual app",
            lambda: in_turn(lambda: first_frame(wizard, "Clusters on this machine"), lambda: first_frame(bare("empty"), "bare-ready")),
            1.5,
            "x",
        )
        show("a typed character, against a bare Input", lambda: in_turn(lambda: typed(wizard), typed_bare), 2.0, "x")
        show("the next step, against a pushed screen", lambda: in_turn(lambda: next_step(wizard), next_bare), 2.0, "x")
        show("plan", lambda: [timed("plan", str(cluster.data_directory)) for _ in range(RUNS)], 0.5, "s")
        show("apply: rehearsal, both reloads, proof", lambda: applied(cluster), 3.0, "s")
        show("peak memory at the proof screen", lambda: [memory_at_the_proof(wizard)], 100.0, "MB")
    print(f"\nmemory of this measurement: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def of_rules() -> None:
    """Measure what a very long file of rules takes."""
    data = rules.big_file()
    parsed = rules.read(data)
    print(f"{rules.COUNT:,} rules, {len(data) / 1e6:.1f} MB")
    ours, least = (lambda: rules.seconds(lambda: rules.read(data))), (lambda: rules.seconds(lambda: rules.split(data)))
    show("rules read, against splitlines and split", lambda: in_turn(ours, least), 10.0, "x")
    show("rules read, against pgtoolkit", lambda: in_turn(ours, lambda: rules.seconds(lambda: rules.read_by_pgtoolkit(data))), 1.0, "x")
    show("rules: memory a line over the text", lambda: [rules.bytes_a_line(data)], 600.0, "B")
    show("rules: one edit and its diff", lambda: [rules.edited(data) for _ in range(RUNS)], 0.3, "s")
    show("rules: every one converted", lambda: [rules.converted(data, parsed) for _ in range(RUNS)], 1.0, "s")
    print()


def of_access() -> None:
    """Measure who gets in: the rules' answers to very many attempts."""
    show("access: 1,000 rules, a million attempts", _a_million, 30.0, "s")
    print()


def _a_million() -> list[float]:
    directory = access.files()
    try:
        return [access.decided(directory) for _ in range(3)]
    finally:
        shutil.rmtree(directory)


def of_kits() -> None:
    """Measure what client certificates for many roles take."""
    plain, protected = kits.an_order(), kits.an_order(b"open sesame")
    print(f"{kits.COUNT:,} roles")
    show("kits: certificate and key, against a bare pair", lambda: in_turn(lambda: kits.pairs(plain), kits.bare_pairs), 10.0, "x")
    show(
        "kits: whole, against PKCS#12 on all cores",
        lambda: in_turn(lambda: kits.whole(protected), lambda: kits.bare_packed(protected)),
        1.5,
        "x",
    )
    print()


def of_known() -> None:
    """Measure what many known clients take."""
    judge = known.a_crowd()
    print(f"{known.CLIENTS:,} known clients, {known.RULES} rules")
    show("known: judged under today's and the planned rules", lambda: [rules.seconds(judge) for _ in range(RUNS)], 1.0, "s")
    show("known: a log of connections read", lambda: [known.seconds_of_a_log() for _ in range(RUNS)], 1.0, "s")
    print()


def show(what: str, measure: Callable[[], list[float]], limit: float, unit: str) -> None:
    """Measure and print one row, unless words on the command line choose others."""
    if sys.argv[1:] and not any(word in what for word in sys.argv[1:]):
        return
    values = measure()
    middle = statistics.median(values)
    verdict = "reached" if middle <= limit else "MISSED"
    print(f"{what:45} {middle:8.2f} {unit:2}  at most {limit:g}  {verdict}   ({min(values):.2f} to {max(values):.2f})", flush=True)


def applied(cluster: RealCluster) -> list[float]:
    """Return the seconds of several applies, each with a CA of its own and undone."""
    found = []
    for number in range(RUNS):
        found.append(timed("apply", str(cluster.data_directory), "--set", f"certificate.ca_directory={number}/ca"))
        timed("rollback", str(cluster.data_directory))
    return found


def in_turn(ours: Callable[[], float], theirs: Callable[[], float]) -> list[float]:
    """Return the ratios of pairs, after one pair that warms up."""
    ours()
    theirs()
    return [ours() / theirs() for _ in range(RUNS)]


def bare(name: str, *arguments: str) -> list[str]:
    """Return the command of a bare Textual program."""
    return [PYTHON, "-m", "tests.bench.bare", name, *arguments]


def start(command: list[str]) -> Program:
    """Start a program in a pseudo-terminal, in a directory of its own."""
    return Program(["env", f"PYTHONPATH={CHECKOUT}", "sh", "-c", f'cd "{tempfile.mkdtemp()}" && exec "$@"', "sh", *command])


def first_frame(command: list[str], marker: str) -> float:
    """Return the seconds from the start of a program to a text on its screen."""
    program = start(command)
    program.wait_for(marker)
    took = time.perf_counter() - program.started
    program.close()
    return took


def typed(command: list[str]) -> float:
    """Return the seconds from a letter typed into the wizard's field for names to the next output."""
    program = start(command)
    try:
        program.wait_for("found")
        program.press(b"\r\r")
        program.wait_for("By which names do clients connect?")
        program.drain()
        program.press(b"\t")
        program.drain(0.3)
        return statistics.median(program.press_and_time(b"x") for _ in range(15))
    finally:
        program.close()


def typed_bare() -> float:
    """Return the same for an application that is one Input."""
    program = start(bare("input"))
    try:
        program.wait_for("bare-ready")
        program.drain(0.3)
        return statistics.median(program.press_and_time(b"x") for _ in range(15))
    finally:
        program.close()


def next_step(command: list[str]) -> float:
    """Return the median seconds from Enter to the title of the step for the key, gone back from each time."""
    program = start(command)
    try:
        program.wait_for("found")
        program.press(b"\r\r\r")
        program.wait_for("Where should the server's")
        times = []
        for _ in range(5):
            program.drain(0.3)
            program.press(b"\r")
            times.append(program.wait_for("Which key, and for how long?"))
            program.drain(0.3)
            program.press(b"\x1b")
            program.wait_for("Where should the server's")
        return statistics.median(times)
    finally:
        program.close()


def next_bare() -> float:
    """Return the same for a screen of stock widgets nested alike."""
    program = start(bare("push"))
    try:
        program.wait_for("bare-ready")
        times = []
        for _ in range(5):
            program.drain(0.3)
            program.press(b"\r")
            times.append(program.wait_for("second-ready"))
            program.drain(0.3)
            program.press(b"\x1b")
            program.wait_for("bare-ready")
        return statistics.median(times)
    finally:
        program.close()


def timed(*arguments: str) -> float:
    """Return the seconds that a whole command takes."""
    begun = time.perf_counter()
    command = [PYTHON, "-m", "pgssl_wizard", *arguments, "-q"]
    subprocess.run(command, check=True, capture_output=True, cwd=_directory(), env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"})
    return time.perf_counter() - begun


def _directory() -> str:
    return tempfile.mkdtemp(prefix="pgb-work-", dir="/tmp")


def memory_at_the_proof(command: list[str]) -> float:
    """Return the peak resident megabytes of the wizard once it shows the proof; the change is undone at the end."""
    program = start(command)
    try:
        program.wait_for("found")
        program.press(b"\r" * 9)
        program.wait_for("Ready to apply")
        program.drain(0.5)
        program.press(b"A")
        program.wait_for("Apply this to")
        program.drain(0.3)
        program.press(b"A")
        program.wait_for("Proven")
        program.drain(0.5)
        return program.peak_memory()
    finally:
        program.close()


if __name__ == "__main__":
    main()
