"""The proof for people: what was served, the table of attempts, the ways in, and what the server's log says."""

from __future__ import annotations

from collections import Counter

from pgssl_wizard.findings import Finding
from pgssl_wizard.proof.model import Attempt, Proof, SinceReload, Way
from pgssl_wizard.proof.ways import in_words, printable

#: So many ways that are as they should be are printed; `--json` has all of them. What is not as it should be is always printed.
_SHOWN = 30


def proof(found: Proof) -> None:
    """Print the evidence."""
    if found.served:
        subject = found.served.chain[0].subject if found.served.chain else "?"
        print(f"Served: {subject}, {found.served.protocol}, {found.served.cipher}; {_same(found)}")
    for problem in found.problems:
        print(f"  ✗ {problem}")
    if found.attempts:
        by = f"   ({found.client_library})" if found.client_library else ""
        print(f"\n{'sslmode':12} {'root':6} {'certificate':12} {'host':24} {'expected':9} outcome{by}")
        for each in found.attempts:
            print(_attempt(each) + (f"  as {each.user}" if each.user != found.attempts[0].user else ""))
            if each.message and (not each.as_expected or each.outcome == "not-tried"):
                print(f"    {_server_words(each.message)}")
    _ways(found)
    if found.log is not None:
        _log(found.log)


def _same(found: Proof) -> str:
    """Return whether what is served is what is on disk, and what the settings in force name."""
    if found.matches_disk is None:
        return "files not known"
    if not found.matches_disk:
        return "NOT the one on disk"
    if found.matches_settings is False:
        return "as on disk, NOT the one that the settings in force name"
    return "as on disk and in the settings in force" if found.matches_settings else "as on disk"


def _attempt(each: Attempt) -> str:
    mark = "-" if each.outcome == "not-tried" else "✓" if each.as_expected else "✗"
    tls = f" {each.tls}" if each.tls else ""
    return f"{each.sslmode:12} {each.root:6} {each.certificate:12} {each.host:24} {each.expected:9} {mark} {each.outcome}{tls}"


def _ways(found: Proof) -> None:
    if not found.ways:
        return
    counted = Counter("not-tried" if each.outcome == "not-tried" else each.as_expected for each in found.ways)
    print(f"\nWays in: {counted[True]} as they should be, {counted[False]} not, {counted['not-tried']} not tried")
    # What is wrong first, then what was shut, then the others; what could not be tried last.
    ranked = sorted(found.ways, key=lambda each: (each.as_expected, each.outcome == "not-tried", not each.closed))
    for each in ranked[: max(_SHOWN, counted[False])]:
        print(_way(each))
    more = len(ranked) - max(_SHOWN, counted[False])
    if more > 0:
        print(f"    and {more} more (--json has them all)")
    if found.ways_left_out:
        print(f"    {found.ways_left_out} more are known and were not tried: a proof tries the most important ones")


def _way(way: Way) -> str:
    """Return one way in as a line, with the server's words where it is not as it should be and where it was shut."""
    words = "asked for its password" if way.asked else {"accept": "let in", "reject": "refused", "not-tried": "not tried"}[way.outcome]
    mark = "-" if way.outcome == "not-tried" else "✓" if way.as_expected else "✗"
    closed = ", open before" if way.closed else ""
    wanted = f", expected {way.expected}" if not way.as_expected else ""
    said = f": {_server_words(way.message)}" if way.message and (way.outcome != "accept" or not way.as_expected) else ""
    return f"  {mark} {in_words(way)}: {words}{closed}{wanted}{said}"


def _server_words(message: str) -> str:
    """Return the last line of a refusal without libpq's opening words, which tell where it connected to."""
    last = message.strip().splitlines()[-1] if message.strip() else ""
    return printable(last.rpartition(" failed: ")[2] if last.startswith("connection to server") else last)


def _log(log: SinceReload) -> None:
    if not log.complaints:
        return
    print(f"\nThe server's log since the reload ({log.file})")
    for text in log.lines or log.complaints:
        print(f"  {text}")


def findings(found: Proof) -> list[Finding]:
    """Return what falls short in a proof, as findings."""
    said = [Finding("error", "not-proved", problem) for problem in found.problems]
    if found.matches_disk is False:
        said.append(
            Finding(
                "error",
                "served-differs",
                "The server serves another certificate than the one on disk.",
                "Reload, and read the server's log.",
            )
        )
    if found.matches_disk and found.matches_settings is False and found.configured is not None:
        said.append(
            Finding(
                "error",
                "configured-differs",
                f"The server serves another certificate than the one that its settings in force name, {found.configured.certificate}.",
                "Reload, and read the server's log.",
            )
        )
    said += [
        Finding(
            "error",
            "unexpected-outcome",
            f"{each.host}, sslmode={each.sslmode}, {each.root} root: expected {each.expected}, met {each.outcome}. {each.message or ''}".strip(),
        )
        for each in found.attempts
        if not each.as_expected
    ]
    said += [
        Finding(
            "error",
            "unexpected-way-in",
            f"{in_words(each)}: expected {each.expected}, met {each.outcome}. {_server_words(each.message or '')}".strip(),
            where=each.rule,
        )
        for each in found.ways
        if not each.as_expected
    ]
    return said
