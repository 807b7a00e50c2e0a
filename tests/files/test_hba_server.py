"""pg_hba.conf and pg_ident.conf against the real servers: whatever is generated, verdict, fields and words agree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgssl_wizard.files import hba_view
from pgssl_wizard.files.auth_methods import BUILT_IN
from pgssl_wizard.files.hba import Rule, Surrounding, parse_rules
from pgssl_wizard.files.ident import MapLine, parse_maps
from pgssl_wizard.files.tokens import logical_lines
from pgssl_wizard.server.programs import look
from tests.files.conftest import Servers
from tests.files.reading import lister, reader
from tests.files.views import CORPUS, EXAMPLES, HbaRow, MapRow, hba_rows, map_rows, reloaded
from tests.servers import RealCluster

FEW = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def pick(*choices: str) -> st.SearchStrategy[str]:
    """One of some words."""
    return st.sampled_from(choices)


ODD = st.text(st.sampled_from(' ,"#@+/\\=\t\r\x0b\x0c\xa0aé1.:%*-_'), max_size=6)
NAME = pick(
    *("all", "app", "sameuser", "samerole", "samegroup", "replication", "+grp", '"+grp"', '"all"', 'a"ll"', '""all', "ALL", "a#b"),
    *('"a b"', '"a,b"', '"x""y"', '""', "@", "@list", '@"two words"', "@nested", "@empty", "@missing", '"@list"', "@@list", "@commented"),
    *("/^app", '"/a,b"', "/(", "/[a", "/a{1,2}", '"/a{2,1}"', "/x*", "/", "/a\\1", "/[[:foo:]]", "Ünï", "caf\udce9", "a" * 63),
    *('"unfinished', "a,b", "a,,b", ",a", "a,", "a,@list", "a, b", "a ,b", "a,#b", "x\\"),
) | ODD  # fmt: skip
TYPE = pick(
    *("local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"),
    *("HOST", '"host"', "host,hostssl", "hosts", "include", "include_dir", "include_if_exists", "@list", "\ufeffhost", "host\\"),
)
ADDRESS = pick(
    *("all", "samehost", "samenet", '"all"', "ALL", "Samenet", "127.0.0.1/32", "10.0.0.0/8", "::1/128", "fe80::1%lo/64", "::1%lo/128"),
    *("10/8", "127.1/8", "010.0.0.1/32", "0x7f.1/32", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/+8", "1.2.3.4/08", "1.2.3.4/", "1.2.3.4/8x"),
    *("1.2.3.4/ 8", '"1.2.3.4/ 8"', "::/0", "::ffff:1.2.3.4/128", "FE80:0:0::1/10", "::1%1/128", "::1%99999999999/128", "[::1]/128"),
    *("example.com", ".example.com", "*.example.com", "example.com/24", "a,b", '""', "1.2.3.4.5", "1.2.3", "256.1.1.1/8", "4294967295/32"),
    *("1.2.3.4 255.255.255.0", "1.2.3.4 255.0.255.0", "1.2.3.4 ::1", "::1 ffff::", "1.2.3.4 nonsense", "1.2.3.4 a,b", "1.2.3.4", "::1"),
    *("1.2.3.4/99999999999999999999", "1.2.3.4/8/8", "/8", "1.2.3.4\t255.255.255.255", "0/0", "08.0.0.1/8", "1.2.3.4_5/8", "1.2.3.4/3_2"),
) | ODD  # fmt: skip
METHOD = pick(
    *(
        "trust",
        "reject",
        "md5",
        "password",
        "scram-sha-256",
        "cert",
        "peer",
        "ident",
        "radius",
        "oauth",
        "gss",
        "pam",
        "ldap",
        "bsd",
        "sspi",
    ),
    *("MD5", '"md5"', "md5,trust", "sha", "scram-sha-256 clientcert=verify-full", "cert clientcert=verify-full"),
)
OPTION = pick(
    *("clientcert=verify-ca", "clientcert=verify-full", "clientcert=1", "clientcert=0", "clientcert=no-verify", "clientcert=Verify-Full"),
    *("clientname=CN", "clientname=DN", "clientname=dn", "clientcert=", "map=x", 'map="a b"', "map = x", "map=", "=x", "x=", "nonsense", "map=a,b"),
    *("radiusservers=127.0.0.1", 'radiusservers="127.0.0.1,127.0.0.2"', "radiussecrets=s", 'radiussecrets="a,b"', 'radiussecrets="""x"",y"'),
    *("radiusports=1812", "radiusports=x", 'radiusports="1,2,3"', "radiusports=", "radiusidentifiers=a", 'radiussecrets="a b"', "radiusservers="),
    *("issuer=https://x", 'scope="a b"', "validator=v", "validator=w", "delegate_ident_mapping=1", "validator.x=1", "pamservice=x", "krb_realm=X"),
    *("include_realm=1", "include_realm=0", "compat_realm=1", "upn_username=1", "ldapserver=x", "pam_use_hostname=1", "clientcert=verify-ca,map=x"),
) | ODD  # fmt: skip
SENSIBLE_END = pick("", "", "", " # comment", "\t#", "#glued", " \\", "\\")


@st.composite
def rule(draw: st.DrawFn) -> str:
    """A line of pg_hba.conf, right more often than not."""
    kind = draw(TYPE)
    blank = draw(pick(" ", "\t", "   ", " \r "))
    if kind.startswith("include"):
        return (
            kind + blank + draw(pick("more.conf", "more.d", "missing.conf", '"more.conf"', "more.conf x", "nested.conf", '""', "loop.conf"))
        )
    words = [kind, draw(NAME), draw(NAME)]
    if kind != "local" or draw(st.integers(0, 9)) == 0:
        words.append(draw(ADDRESS))
    words.append(draw(METHOD))
    words += draw(st.lists(OPTION, max_size=3))
    return blank.join(words[: draw(st.sampled_from([9] * 12 + [1, 2, 3, 4]))]) + draw(SENSIBLE_END)


@st.composite
def hba_file(draw: st.DrawFn, lines: st.SearchStrategy[str]) -> bytes:
    """A file of such lines, with comments, blank lines and line endings of every kind."""
    chosen = draw(st.lists(lines | pick("", "# comment", "# comment \\", " ", "\t# x"), min_size=1, max_size=40))
    ending = draw(pick("\n", "\n", "\r\n", "\r\r\n"))
    data = ending.join(chosen) + draw(pick("", ending))
    raw = draw(pick("", "", "", "\ufeff")).encode() + data.encode("utf-8", "surrogateescape")
    if draw(st.integers(0, 9)) == 0 and raw:
        position = draw(st.integers(0, len(raw) - 1))
        raw = raw[:position] + bytes([draw(st.sampled_from([0, 9, 12, 13, 34, 92, 128, 255]))]) + raw[position:]
    return raw


def lay_out(cluster: RealCluster) -> None:
    """Write the files that the generated ones name."""
    place = cluster.config_directory
    (place / "more.d").mkdir(exist_ok=True)
    (place / "more.d" / "directory.conf").mkdir(exist_ok=True)
    for name, content in {
        "list": "a, b c\n# comment\n\"d e\" 'f'\nall",
        "two words": "two",
        "nested": "@list x\n@empty\n",
        "empty": "# nothing\n",
        "commented": "one # two\n",
        "more.conf": "host all all 1.1.1.1/32 md5\nhost broken\n",
        "nested.conf": "include more.conf\nlocal all @nested trust\n",
        "loop.conf": "include loop.conf\nlocal all all trust\n",
        "more.d/b.conf": "host b b all trust\n",
        "more.d/a.conf": "host a a all trust\n",
        "more.d/.hidden.conf": "host hidden",
        "more.d/other": "host other",
    }.items():
        (place / name).write_text(content)


def put(path: Path, data: bytes) -> None:
    """Replace what a file of the server holds, its mode and owner kept."""
    with path.open("r+b") as file:
        file.truncate()
        file.write(data)


def shown(rule: Rule, major: int) -> HbaRow:
    """Return the row that we expect in the view."""
    row = hba_view.row(rule, major, ("v",) if major >= 18 else None)
    fields = (row.line, row.type, row.database, row.user, row.address, row.netmask, row.method, row.options, row.error)
    return HbaRow(str(rule.file) if major >= 16 else None, *fields)


def differences(ours: list[HbaRow], theirs: list[HbaRow]) -> list[tuple[HbaRow, HbaRow]]:
    """Return the rows that disagree. What the servers of the tests lack is not held against either."""
    return [(our, their) for our, their in zip(ours, theirs, strict=True) if not same(our, their)]


def same(our: HbaRow, their: HbaRow) -> bool:
    """Whether our row says what the server's says."""
    built_in = re.fullmatch(r'invalid authentication method "(\w+)": not supported by this build', their.error or "")
    if built_in and built_in[1] in BUILT_IN:
        return our.error is None or not our.error.startswith("invalid authentication method")
    if their.type is not None:
        # A warning: the line is loaded all the same.
        their = their._replace(error=None)
    if their.type is None and their.error is None:
        # The view is silent about some errors; the log is not.
        return our.error is not None and our._replace(error=None) == their
    if our.error and our.error.startswith("exceeded maxAllocatedDescs"):
        return their.error is not None
    return our == their


@FEW
@given(data=hba_file(rule()))
def test_the_view_shows_every_rule_as_we_read_it(data: bytes, major: int, servers: Servers) -> None:
    cluster = servers[major]
    if major >= 18:
        allow_oauth(cluster)
    lay_out(cluster)
    put(cluster.hba_file, data)
    ours = rules_of(cluster)
    assert differences([shown(rule, major) for rule in ours], hba_rows(cluster)) == []


@FEW
@given(data=hba_file(rule()))
def test_a_reload_takes_the_file_exactly_when_we_accept_every_line(data: bytes, major: int, servers: Servers) -> None:
    cluster = servers[major]
    if major >= 18:
        allow_oauth(cluster)
    lay_out(cluster)
    # The first rule lets the tests in whatever follows.
    put(cluster.hba_file, f"local all {cluster.superuser} peer\n".encode() + data)
    ours = rules_of(cluster)
    lacking = any(rule.method in BUILT_IN and rule.error is None for rule in ours)
    accepted = not any(rule.error for rule in ours) and not lacking
    assert reloaded(cluster, "was not reloaded") == accepted


def rules_of(cluster: RealCluster) -> tuple[Rule, ...]:
    """Read the cluster's rules."""
    return parse_rules(cluster.hba_file, cluster.major, reader, lister, Surrounding(("v",) if cluster.major >= 18 else None))


def allow_oauth(cluster: RealCluster) -> None:
    """Have 18 take the validator `v`, once."""
    if "oauth_validator_libraries" not in cluster.config_file.read_text():
        cluster.set(oauth_validator_libraries="v")
        cluster.reload()


SYSTEM_USER = pick(
    *("alice", "/^(.*)@x$", "/(", '"CN=a,O=b"', "CN=a,O=b", "/a\\1", "all", "*", '"/x y"', "@list", "@one", "@missing", "/", "caf\udce9", '"/('),
) | ODD  # fmt: skip
ROLE = pick("alice", "all", '"all"', "+grp", "\\1", "x\\1y", "/^a", "/(", '"/["', "@one", "@list", "a,b", '""') | ODD


@st.composite
def map_line(draw: st.DrawFn) -> str:
    """A line of pg_ident.conf."""
    if draw(st.integers(0, 11)) == 0:
        return draw(pick("include", "include_dir", "include_if_exists")) + " " + draw(pick("maps.conf", "missing.conf", "more.d"))
    words = [draw(pick("m", "M", '"a b"', "m,n", "@one", '""')), draw(SYSTEM_USER), draw(ROLE), *draw(st.lists(ODD, max_size=1))]
    return draw(pick(" ", "\t")).join(words[: draw(st.sampled_from([4] * 8 + [1, 2]))]) + draw(SENSIBLE_END)


def maps_of(cluster: RealCluster) -> tuple[MapLine, ...]:
    """Read the cluster's maps."""
    return parse_maps(cluster.ident_file, cluster.major, reader, lister)


def map_shown(line: MapLine, major: int) -> MapRow:
    """Return the row that we expect in the view; a refused line has nothing but its error there."""
    fields = (None, None, None) if line.error else (line.map, line.system_user and line.system_user.text, line.role and line.role.text)
    return MapRow(str(line.file) if major >= 16 else None, line.line, *fields, line.error)


LDAP_OPTION = pick(
    *("ldapserver=x", "ldapserver=", "ldapport=389", "ldapport=0", "ldapport=x", "ldapport=12ab", "ldapport=99999999999", "ldaptls=1", "ldaptls=0"),
    *("ldapscheme=ldaps", "ldapscheme=http", "ldapprefix=cn=", 'ldapsuffix=",dc=x"', "ldapbasedn=dc=x", "ldapbinddn=x", "ldapbindpasswd=p"),
    *("ldapsearchattribute=uid", 'ldapsearchfilter="(uid=$username)"', "map=x", "clientcert=verify-ca", "include_realm=1", "pamservice=p"),
)  # fmt: skip
LDAP_URL = st.builds(
    "ldapurl={}{}{}{}{}{}".format,
    pick("", "<", "URL:", "url:"),
    pick("ldap://", "ldaps://", "LDAP://", "ldapi://", "http://", "ldap:/", "cldap://", ""),
    pick("", "host", "host:389", "host:", "host:x", "[::1]:389", "[::1]", "h%20t", "host:99999", "a:b:1"),
    pick("", "/", "/dc=x", "/dc%3Dx", "?", "/dc=x?"),
    pick("", "?uid", "?uid,cn", "?", "?uid?one", "??sub", "??children", "??Base", "?uid?wrong"),
    pick("", "?(uid=1)", "?", "?(a%28b)", "?(x)?ext", "?(x)?", "?a?b?c", "???", ">"),
)


@pytest.fixture(scope="module")
def built_with_everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A server that has ldap, gss and pam; Debian's have."""
    for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        programs = look(directory)
        if programs is not None and programs.has("initdb"):
            with RealCluster.make(tmp_path_factory.mktemp("full"), programs.major, programs=programs) as cluster:
                cluster.serve_tls()
                cluster.start()
                yield cluster
                return
    pytest.skip("no server built with ldap, gss and pam is installed")


@FEW
@given(
    lines=st.lists(st.tuples(TYPE, pick("ldap", "ldap", "gss", "pam"), st.lists(LDAP_OPTION | LDAP_URL | OPTION, max_size=4)), max_size=40)
)
def test_methods_that_depend_on_the_build_are_read_as_a_server_that_has_them_reads_them(
    lines: list[tuple[str, str, list[str]]], built_with_everything: RealCluster
) -> None:
    cluster = built_with_everything
    lay_out(cluster)
    text = "\n".join(
        f"{kind} all all {'' if kind == 'local' else '1.1.1.1/32'} {method} {' '.join(options)}" for kind, method, options in lines
    )
    put(cluster.hba_file, text.encode("utf-8", "surrogateescape"))
    ours = [shown(rule, cluster.major) for rule in rules_of(cluster)]
    # These servers are not so old that a message may differ, and not so new that there is an oauth validator.
    assert differences(ours, hba_rows(cluster)) == []


@FEW
@given(data=hba_file(map_line()))
def test_the_server_reads_every_map_as_we_do(data: bytes, major: int, servers: Servers) -> None:
    cluster = servers[major]
    lay_out(cluster)
    (cluster.config_directory / "one").write_text("one\n")
    (cluster.config_directory / "maps.conf").write_text("m a b\nbroken\n")
    put(cluster.ident_file, data)
    ours = maps_of(cluster)
    if major >= 15:
        theirs = map_rows(cluster)
        expected = [map_shown(line, major) for line in ours]
        assert [(our, their) for our, their in zip(expected, theirs, strict=True) if our != their] == []
    assert reloaded(cluster, "pg_ident.conf was not reloaded") == (not any(line.error for line in ours))


@FEW
@given(data=hba_file(rule() | ODD))
def test_every_line_is_found_where_it_stands(data: bytes, major: int) -> None:
    for line in logical_lines(data, major):
        for offset, char in enumerate(line.text):
            assert data[line.byte_offset(offset)] == ord(char)


#: What a server of another build or configuration says otherwise.
DIFFERS = {
    13: {f"postgres__TAP-18.6__ldap-001_auth-{number}": "13.16 did not show ldapscheme yet" for number in (4, 5, 7, 8, 11, 12, 13)},
    15: {},
    18: {},
}


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real files is not here")
@pytest.mark.parametrize(("version", "oracle"), [(13, "oracle-pg13"), (15, "oracle"), (18, "oracle-pg18")])
def test_real_rules_are_read_as_a_real_server_reads_them(version: int, oracle: str) -> None:
    validators = ("validator",) if version == 18 else None
    wrong, seen = [], 0
    for file in sorted((CORPUS / "hba").iterdir()):
        answer = json.loads((CORPUS / oracle / "hba" / f"{file.name}.json").read_text())
        rules = parse_rules(file, version, reader, lister, Surrounding(validators))
        ours = []
        for each in rules:
            row = hba_view.row(each, version, validators)
            error = row.error and row.error.replace(f"{CORPUS}/", "")
            ours.append(HbaRow(None, row.line, row.type, row.database, row.user, row.address, row.netmask, row.method, row.options, error))
        names = ("line_number", "type", "database", "user_name", "address", "netmask", "auth_method", "options", "error")
        theirs = [
            HbaRow._make([None, *(tuple(value) if isinstance(value, list) else value for value in (row[name] for name in names))])
            for row in answer["rows"]
        ]
        seen += len(theirs)
        accepted = bool(rules) and not any(rule.error for rule in rules)
        if accepted != answer["accepted"] or (file.name not in DIFFERS[version] and differences(ours, theirs)):
            wrong.append(file.name)
    assert seen > 1000
    assert wrong == []


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real files is not here")
@pytest.mark.parametrize(("version", "oracle"), [(13, "oracle-pg13"), (15, "oracle"), (18, "oracle-pg18")])
def test_real_maps_are_read_as_a_real_server_reads_them(version: int, oracle: str) -> None:
    wrong, seen = [], 0
    for file in sorted((CORPUS / "ident").iterdir()):
        answer = json.loads((CORPUS / oracle / "ident" / f"{file.name}.json").read_text())
        lines = parse_maps(file, version, reader, lister)
        names = ("line_number", "map_name", "sys_name", "pg_username", "error")
        theirs = [MapRow(None, *(row[name] for name in names)) for row in answer.get("rows") or []]
        ours = [map_shown(line, version)._replace(file=None, error=line.error and line.error.replace(f"{CORPUS}/", "")) for line in lines]
        seen += len(ours)
        if answer["accepted"] == any(line.error for line in lines) or (version >= 15 and ours != theirs):
            wrong.append(file.name)
    assert seen > 50
    assert wrong == []


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real files is not here")
@pytest.mark.parametrize(("version", "oracle"), [(13, "oracle-pg13"), (15, "oracle"), (18, "oracle-pg18")])
def test_real_trees_of_files_are_followed_as_a_real_server_follows_them(version: int, oracle: str) -> None:
    wrong, seen = [], 0
    for tree in json.loads((CORPUS / "trees" / "trees.json").read_text()):
        answer_file = CORPUS / oracle / "trees" / f"{tree['name']}.json"
        if tree["kind"] not in {"hba", "ident"} or not answer_file.exists():
            continue
        answer = json.loads(answer_file.read_text())
        entry = CORPUS / "trees" / tree["name"] / tree["entry"]
        lines = (parse_rules if tree["kind"] == "hba" else parse_maps)(entry, version, reader, lister)
        seen += 1
        if answer["accepted"] == any(line.error for line in lines) or len(lines) != len(answer["rows"]):
            wrong.append(tree["name"])
    assert seen
    assert wrong == []
