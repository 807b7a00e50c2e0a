"""Files of rules and maps that real servers load, and attempts on them: drawn so that all that can decide does now and then."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Roles with what they are granted.
ROLES: Mapping[str, tuple[str, ...]] = {
    "staff": (),
    "admins": ("staff",),
    "alice": ("admins",),
    "bob": ("staff",),
    "carol": (),
    "shop": ("carol",),
    "Alice": (),
    "a b": ("staff",),
    "x,y": (),
    "Ünï": ("admins",),
    "all": (),
    "replication": ("staff",),
    "+staff": (),
    "/^ali": (),
    'q"uote': ("shop",),
    "r" * 63: (),
}
#: No role has this name.
NOBODY = "nobody-here"
USERS = (*ROLES, NOBODY, "r" * 70, "root")
DATABASES = ("shop", "alice", "staff", "carol", "all", "replication", "a b", "/^sh", "Shop", "sameuser", "d" * 63)


@dataclass(frozen=True)
class Line:
    """One rule: what makes it match, and what comes then."""

    kind: str
    database: str
    user: str
    address: str
    method: str

    def real(self) -> str:
        """Return the line as it is."""
        return " ".join(filter(None, (self.kind, self.database, self.user, self.address, self.method)))

    def twin(self) -> str:
        """Return a line that matches the same and asks for a password, whose refusal names the line in the server's log."""
        return " ".join(filter(None, (self.kind, self.database, self.user, self.address, "password")))


@dataclass(frozen=True)
class Try:
    """One attempt, its certificate by name."""

    database: str
    user: str
    source: str | None
    tls: bool
    certificate: str | None
    replication: bool


def quoted(name: str) -> str:
    """Return a name as a rule must have it to mean just that."""
    return '"' + name.replace('"', '""') + '"'


_DATABASE_WORDS = (*["all"] * 5, "all,replication", "sameuser", "samerole", "samegroup", "replication", '"all"')
_USER_WORDS = (*["all"] * 5, "+staff", "+admins", "+carol", "+alice", f"+{NOBODY}", f"+{NOBODY}", '+"a b"', '"+staff"', '"all"')


def a_line(rng: random.Random, major: int, hosts: Sequence[str]) -> Line:
    """Return a rule."""
    kind = rng.choice(("local", "host", "host", *["hostssl"] * 6, "hostnossl", "hostgssenc", "hostnogssenc"))
    database = _list(rng, major, DATABASES, _DATABASE_WORDS)
    user = _list(rng, major, USERS, _USER_WORDS)
    address = "" if kind == "local" else _address(rng, hosts)
    return Line(kind, database, user, address, _method(rng, kind, major))


def _list(rng: random.Random, major: int, names: Sequence[str], words: Sequence[str]) -> str:
    if rng.random() < 0.06:
        return rng.choice(("@names", "all,@names"))
    found = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        choice = rng.random()
        if choice < 0.55:
            found.append(rng.choice(words))
        elif choice < 0.85 or major < 16:
            name = rng.choice(names)
            plain = name.isalnum() and name.isascii()
            # What begins with a slash is an expression from 16 on; this one is none.
            found.append(name if plain and rng.random() < 0.7 else quoted(name))
        else:
            found.append(
                rng.choice(("/^a", "/li", "/^(shop|staff)$", "/^[A-Z]", '"/^a b$"', "/.", "/^r{20}", '"/,"', "/c$", "/(?i)ALICE", "/"))
            )
    return ",".join(found)


# fmt: off
_RANGES = (
    "all", "all", "samehost", "samenet", "127.0.0.1/32", "127.0.0.0/8", "127.1.0.0/16", "127.1.2.3/32", "127.1.2.0 255.255.255.0",
    "127.0.0.1 255.0.0.255", "127/8", "127.1/8", "0.0.0.0/0", "0/0", "0177.0.0.1/32", "10.0.0.0/8", "::1/128", "::/0", "::/1", "8000::/1",
    "::ffff:127.0.0.1/128", "fe80::1%1/64", "127.1.2.3/30", "::1 ffff::", "127.128.0.0/9", "127.0.0.0 255.0.255.0",
)
# fmt: on


def _address(rng: random.Random, hosts: Sequence[str]) -> str:
    return rng.choice(hosts if hosts and rng.random() < 0.4 else _RANGES)


def _method(rng: random.Random, kind: str, major: int) -> str:
    plain = ["trust", "trust", "reject", "reject", "password", "md5", "scram-sha-256"]
    if kind == "local":
        return rng.choice([*plain, "peer", "ident map=people"])
    if kind != "hostssl":
        return rng.choice(plain)
    method = rng.choice([*plain, "cert", "cert", "cert map=people", "cert map=people", "cert map=others", "cert map=none"])
    name = rng.choice(("", "", " clientname=CN", " clientname=DN", " clientname=DN")) if major > 13 else ""
    if method.startswith("cert"):
        extra = rng.choice(("", " clientcert=verify-full") if major > 13 else ("", " clientcert=1", " clientcert=verify-ca"))
        return method + extra + name
    levels = ["", "verify-ca", *["verify-full"] * 4, *(["1", "0", "no-verify"] if major == 13 else [])]
    level = rng.choice(levels)
    # The end of scram beside verify-full is beyond this client; `password` ends alike.
    method = "password" if level == "verify-full" and method in {"md5", "scram-sha-256"} else method
    return method + (f" clientcert={level}" if level else "") + (name if level else "")


_SYSTEM_USERS = ("all", *["/^(.*)$"] * 3, "/(.)$", '"/^CN=([^,]*)"', "/ali", "/a(x)?", "/^x")
_MAPPED_ROLES = ("all", '"all"', "+staff", "+admins", *["\\1"] * 8, "\\1\\1", "x\\1", '"+staff"', "+\\1", "/^a", "/\\1")


def a_map(rng: random.Random, major: int, common_names: Sequence[str], subjects: Sequence[str]) -> str:
    """Return a file of maps."""
    systems = [*map(quoted, common_names), *map(quoted, subjects), *_SYSTEM_USERS]
    roles = [*map(quoted, ROLES), *_MAPPED_ROLES]
    names = ("people", "people", "others")
    lines = [f"{rng.choice(names)} {rng.choice(systems)} {rng.choice(roles)}" for _ in range(rng.randint(4, 14))]
    return "".join(line + "\n" for line in lines if _loads(line, major))


def maps_in_pairs(major: int, common_name: str) -> list[str]:
    """Return, for maps named by their number, each way to write one line, with a line behind it that would let that name be alice."""
    systems = dict.fromkeys((quoted(common_name), *_SYSTEM_USERS))
    roles = dict.fromkeys(("alice", quoted(common_name * 2), *_MAPPED_ROLES))
    pairs = [f"{system} {role}" for system in systems for role in roles if _loads(role, major)]
    return [f"{number} {pair}\n{number} {quoted(common_name)} alice\n" for number, pair in enumerate(pairs)]


def _loads(line: str, major: int) -> bool:
    """Return whether every major takes the line: a back-reference without a group is no expression from 16 on."""
    return not line.endswith("/\\1") or major < 16


def a_try(rng: random.Random, sources: Sequence[str], certificates: Mapping[str, str]) -> Try:
    """Return an attempt; the certificates come with their common names."""
    source = rng.choice((None, *sources, *sources))
    tls = source is not None and rng.random() < 0.75
    certificate = rng.choice((None, *certificates)) if tls else None
    # A few names more often: they are those of certificates and of databases too.
    user = rng.choice((*USERS, "alice", "alice", "carol", "shop", "staff", NOBODY, NOBODY))
    if certificate and certificates[certificate] and rng.random() < 0.5:
        user = certificates[certificate]
    database = rng.choice((*DATABASES, user, user, "d" * 70, ""))
    return Try(database, user, source, tls, certificate, rng.random() < 0.12)
