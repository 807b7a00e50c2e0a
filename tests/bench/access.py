"""How long a million attempts take on a thousand rules: the whole command, reading and printing included, on one core."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RULES, ATTEMPTS = 1_000, 1_000_000


def files() -> Path:
    """Return a directory with rules, maps and attempts: names, groups, expressions, ranges, and hardly two attempts alike."""
    directory = Path(tempfile.mkdtemp(prefix="pgb-access-", dir="/tmp"))
    rng = random.Random(1)  # noqa: S311 - nothing secret
    lines = []
    for number in range(RULES):
        kind = rng.choice(("host", "hostssl", "hostssl", "hostnossl", "local"))
        database = rng.choice(
            ("all", f"db{number % 300}", f"app,db{number % 300}", "sameuser", "samerole", "replication", f"/^t{number % 40}_")
        )
        user = rng.choice((f"user{number % 400}", f"+group{number % 50}", f"user{number % 400},+group{number % 7}", f"/^svc{number}$"))
        low = f"{number & 255}.0"
        address = rng.choice(
            (f"10.{low}.0/16", f"10.1.{low}/24", "10.0.0.0/8", "172.16.0.0 255.240.0.0", f"fd00:{number:x}::/32", ".example.com")
        )
        method = rng.choice(("scram-sha-256", "md5", "reject", *(["cert", "cert map=people"] if kind == "hostssl" else [])))
        lines.append(" ".join(filter(None, (kind, database, user, "" if kind == "local" else address, method))))
    (directory / "pg_hba.conf").write_text("\n".join(lines) + "\n", encoding="ascii")
    people = [f"people cn{number} user{number}\npeople /^(.*)@h{number}$ \\1\n" for number in range(50)]
    (directory / "pg_ident.conf").write_text("".join(people), encoding="ascii")
    with (directory / "attempts.jsonl").open("w", encoding="ascii") as file:
        for number in range(ATTEMPTS):
            tls = rng.random() < 0.6
            name = f"user{rng.randrange(600)}" if number % 4 else f"svc{number}"
            attempt = {
                "id": number,
                "database": f"db{rng.randrange(400)}",
                "user": name,
                "address": None if number % 10 == 0 else f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}",
                "tls": tls,
                "gss": False,
                "certificate": {"cn": f"cn{rng.randrange(80)}", "dn": f"CN={name}", "trusted": True} if tls and number % 3 else None,
                "replication": number % 50 == 0,
                "roles": [f"group{rng.randrange(60)}" for _ in range(number % 4)],
                "host_name": "c.example.com" if number % 20 == 0 else None,
            }
            file.write(json.dumps(attempt) + "\n")
    return directory


def decided(directory: Path) -> float:
    """Return the seconds of the whole command on one core."""
    command = [sys.executable, "-m", "pgssl_wizard", "access", "--hba", "pg_hba.conf", "--ident", "pg_ident.conf"]
    command += ["--server-version", "17", "--attempts", "attempts.jsonl"]
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    with (directory / "answers.jsonl").open("wb") as answers:
        begun = time.perf_counter()
        subprocess.run(
            command,
            check=True,
            stdout=answers,
            cwd=directory,
            env={"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PATH": "/usr/bin:/bin"},
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
        )
        took = time.perf_counter() - begun
    with (directory / "answers.jsonl").open("rb") as answers:
        assert sum(1 for _ in answers) == ATTEMPTS
    return took
