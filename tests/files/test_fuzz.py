"""Whatever bytes the parsers, the editors and lint are given, nothing but their own errors comes back.

PGSSL_FUZZ is the number of inputs; `make fuzz` runs a million. The same number gives the same inputs.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from pgssl_wizard.files.conf import ConfFile
from pgssl_wizard.files.diff import unified
from pgssl_wizard.files.expressions import InvalidExpression, compile  # noqa: A004 - as the module names it
from pgssl_wizard.files.hba import parse_rules
from pgssl_wizard.files.hba_edit import LinesEditor
from pgssl_wizard.files.hba_view import row
from pgssl_wizard.files.hosts import parse_hosts
from pgssl_wizard.files.ident import parse_maps
from pgssl_wizard.files.settings import judge
from tests.files.views import CORPUS

INPUTS = int(os.environ.get("PGSSL_FUZZ", "1500"))
#: The inputs are dealt out to this many tests, so that they run side by side.
SHARES = 4
MAJORS = (13, 14, 15, 16, 17, 18, 19)

SEEDS = [
    b'local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\nhostssl all +grp,"a b" 10.0.0.0 255.0.0.0 cert map=x # c\n',
    b"hostnossl all,replication all all reject\r\nhost @list /^a[bc]{1,2}$ fe80::1%lo/64 md5\r\n",
    b"include a.conf\ninclude_dir d\ninclude_if_exists 'x'\nhost all all \\\n  all \\\n md5\n",
    b'host all all all ldap ldapurl="ldap://h:389/dc=x?uid?sub?(a=b)"\nhost all all all radius radiusservers="a,b" radiussecrets=s\n',
    b'm "CN=a,O=b" alice\nm /^(.*)@x$ \\1\nm alice +grp\nm bob all\n',
    b"* server.crt server.key\nwww.example.com,b w.crt w.key ca.crt 'echo x' on\n/no_sni/ a b\n",
    b"ssl = on\n#port = 5432\nlisten_addresses = '*' # all\nwork_mem = 4MB\nfoo.bar = 'it''s \\'q\\''\ninclude_dir 'conf.d'\n",
    b"shared_buffers=128kB\nlog_destination = 'stderr,csvlog'\nDateStyle = 'iso, mdy'\nauthentication_timeout='90 s'\nssl_cert_file = server.crt\n",
    b"search_path = '\"$user\", public'\nsynchronous_standby_names = 'ANY 2 (a, \"b\")'\nunix_socket_permissions = 0777\nvacuum_cost_delay = 2.5ms\n",
    b"(a|b)*?[[:alpha:]]{1,3}\\m(?=x)(?:y)\\1[^]a-z]",
]
PIECES = [
    *(
        b"\n",
        b"\r\n",
        b"\\\n",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b'"',
        b"'",
        b"''",
        b"#",
        b"@",
        b"@list",
        b"+",
        b"/",
        b",",
        b" ",
        b"\t",
        b"=",
        b"\\",
    ),
    *(
        b"include ",
        b"host ",
        b"all",
        b"/(",
        b"[[:",
        b"{9,1}",
        b"(?",
        b"\\1",
        b"99999999999999999999",
        b"-1",
        b"0x",
        b"1e999",
        b".",
        b"%",
        b"::",
        b"MB",
    ),
    *(b"ssl", b"on", b"clientcert=", b"map=", b"\x0b", b"\x0c", b"\x1c", b"\xc2\xa0", b"\xe2\x80\xa8", b"((((((((", b"a{255}{255}", b"[a-"),
]


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Return one of the seeds with a few bytes flipped, dropped, doubled, moved, or with something awkward inserted."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(data))
        match rng.randrange(6):
            case 0:
                data[at:at] = rng.choice(PIECES)
            case 1 if at < len(data):
                data[at] = rng.randrange(256)
            case 2:
                del data[at : at + rng.randint(1, 8)]
            case 3:
                piece = data[at : at + rng.randint(1, 30)]
                data[at:at] = piece * rng.randint(1, 3)
            case 4:
                other = rng.choice(seeds)
                start = rng.randint(0, len(other))
                data[at:at] = other[start : start + rng.randint(1, 60)]
            case _:
                data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 4)))
    return bytes(data)


def neighbours(data: bytes, other: bytes) -> tuple[Callable[[Path], bytes | None], Callable[[Path], list[str] | None]]:
    """Return readers of a small world: the input, a list, a file to include, a directory, something that may not be read."""

    def read(path: Path) -> bytes | None:
        if path.name == "forbidden":
            raise PermissionError(13, "Permission denied")
        # What includes itself several times takes a server long, too.
        return {"main": data, "list": other, "a.conf": other.replace(b"include", b"exclude"), "x.conf": b"host all all all trust\n"}.get(
            path.name
        )

    return read, lambda path: ["x.conf", "a.conf", ".hidden.conf", "list"] if path.name in {"d", "conf.d"} else None


def try_everything(data: bytes, other: bytes, major: int, rng: random.Random) -> None:
    """Give one input to every parser and editor; what they return must fit together."""
    file = Path("/w/main")
    read, names = neighbours(data, other)
    assert ConfFile.parse(data).to_bytes() == data
    judge(file, major, read, names)
    rules = parse_rules(file, major, read, names)
    for rule in rules:
        row(rule, major)
    maps = parse_maps(file, major, read, names)
    parse_hosts(file, read, names)
    editor = LinesEditor(data, major)
    lines = {rule.line for rule in rules if rule.file == file} | {each.line for each in maps if each.file == file}
    for line in sorted(lines - {0}):
        match rng.randrange(4):
            case 0:
                editor.comment_out(line)
            case 1:
                editor.insert_after(line, "local all all reject")
            case 2:
                editor.remove(line)
            case _:
                editor.insert_before(line, "# new")
    new = editor.result()
    unified(data, new, "main")
    with contextlib.suppress(InvalidExpression):
        compile(data[:80].decode("utf-8", "surrogateescape"), major)


@pytest.mark.parametrize("share", range(SHARES))
def test_no_input_brings_anything_but_the_parsers_own_errors(share: int) -> None:
    rng = random.Random(share)  # noqa: S311 - nothing secret
    seeds = list(SEEDS)
    if CORPUS.is_dir():
        files = sorted(path for kind in ("hba", "ident", "conf") for path in (CORPUS / kind).iterdir() if path.stat().st_size < 3000)
        seeds += [path.read_bytes() for path in files[:: max(1, len(files) // 60)]]
    for number in range(INPUTS // SHARES):
        data, other = mutated(rng, seeds), mutated(rng, SEEDS)
        major = rng.choice(MAJORS)
        try:
            try_everything(data, other, major, rng)
        except Exception as error:
            error.add_note(f"share {share}, input {number}, PostgreSQL {major}: {data!r} beside {other!r}")
            raise
