"""Write assets/settings.tsv: every setting of every major, asked from the real servers.

    python -m tests.servers.settings_table

What servers do not show, and version 19, is in `settings_supplement.toml`. The columns: name, the majors from and to, kind,
context, unit, smallest and largest value, values of an enum, default. In the values, `a=b` is a spelling that no view lists, and
`a~b` one that they do; both mean b.
"""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.servers import RealCluster, available
from tests.servers.cluster import let_through
from tests.servers.packages import CHECKOUT

#: Kind, context, unit, min, max, values, default.
Facts = tuple[str, str, str, str, str, str, str]

TABLE = CHECKOUT / "assets" / "settings.tsv"
_NEWEST = 19
_ASK = """
select name, vartype, context, coalesce(unit, ''), coalesce(min_val, ''), coalesce(max_val, ''),
       array_to_json(enumvals)::text, coalesce(boot_val, '')
from pg_settings where name not like '%.%'
"""


def supplement() -> dict[str, Any]:
    """Return what is kept by hand."""
    return tomllib.loads((Path(__file__).parent / "settings_supplement.toml").read_text(encoding="utf-8"))


def asked(cluster: RealCluster) -> dict[str, Facts]:
    """Return what one running server says of its settings, completed from the supplement."""
    extra = supplement()
    found: dict[str, Facts] = {name: tuple(facts) for name, facts in extra["unlisted"].items()}
    for name, kind, context, unit, low, high, values, default in cluster.sql(_ASK):
        listed = json.loads(str(values)) if values else []
        found[str(name)] = (
            str(kind),
            str(context),
            str(unit),
            str(low),
            str(high),
            ",".join(_values(str(name), cluster.major, listed, extra)),
            "" if name in extra["places"]["settings"] else str(default),
        )
    return found


def of_19(newest: Mapping[str, Facts]) -> dict[str, Facts]:
    """Return the settings of 19, made from those of 18."""
    changes = supplement()["19"]
    kept = {name: facts for name, facts in newest.items() if name not in changes["gone"]}
    return kept | {name: tuple(facts) for name, facts in (changes["new"] | changes["changed"]).items()}


def rows(majors: Mapping[int, Mapping[str, Facts]]) -> Iterator[tuple[str, ...]]:
    """Yield one row for each setting and range of majors in which nothing about it changed."""
    for name in sorted({name for settings in majors.values() for name in settings}, key=str.lower):
        since: int | None = None
        for major in sorted(majors):
            facts = majors[major].get(name)
            if since is None and facts is not None:
                since = major
            if since is not None and facts is not None and majors.get(major + 1, {}).get(name) != facts:
                yield (name, str(since), str(major), *facts)
                since = None


def _values(name: str, major: int, listed: Iterable[str], extra: Mapping[str, Any]) -> list[str]:
    wanted = list(listed)
    if not wanted:
        return []
    full = extra["full_build"].get(name)
    if full is not None:
        assert [value for value in full if value in wanted] == wanted, (name, major, wanted)
        wanted = full
    aliases = _spellings(name, major, extra["alias"])
    found = [f"{value}~{aliases[value]}" if value in aliases else value for value in wanted]
    return found + [f"{value}={meant}" for value, meant in _spellings(name, major, extra["hidden"]).items()]


def _spellings(name: str, major: int, groups: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {
        value: meant
        for group in groups
        if name in group["settings"] and group.get("since", 0) <= major <= group.get("until", _NEWEST)
        for value, meant in group["spellings"].items()
    }


def main() -> None:
    """Ask every server and write the table."""
    majors: dict[int, dict[str, Facts]] = {}
    with tempfile.TemporaryDirectory() as directory:
        let_through(Path(directory))
        for major in available():
            with RealCluster.make(Path(directory), major) as cluster:
                cluster.start()
                majors[major] = asked(cluster)
    assert sorted(majors) == list(range(13, _NEWEST)), f"every major is needed; found {sorted(majors)}"
    majors[_NEWEST] = of_19(majors[_NEWEST - 1])
    text = "".join("\t".join(row) + "\n" for row in rows(majors))
    TABLE.write_text(text, encoding="utf-8")
    sys.stderr.write(f"{TABLE}: {text.count(chr(10))} rows\n")


if __name__ == "__main__":
    main()
