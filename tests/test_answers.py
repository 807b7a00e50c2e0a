from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from pgssl_wizard.answers import (
    QUESTIONS,
    Answers,
    CertificateAnswers,
    ClientAnswers,
    FileAnswers,
    Given,
    ServerAnswers,
    complete,
    flat,
    parse_set,
    read_file,
    to_toml,
)
from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.toml_lines import key_lines

DATA = Path("/srv/pg/data")
RECOMMENDED = Answers(
    server=ServerAnswers(("db.example.com", "10.0.0.5")),
    certificate=CertificateAnswers(ca_directory=Path("/home/dba/ca")),
    files=FileAnswers(DATA / "server.crt", DATA / "server.key", DATA / "root.crt"),
    clients=ClientAnswers(directory=Path("/home/dba/clients")),
)

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes an answers file."""

    def put(text: str) -> Path:
        path = tmp_path / "answers.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return put


def whole(given: Given) -> Answers:
    """Return the answers without gaps."""
    return complete(given, RECOMMENDED, DATA)


def by_option(*assignments: str) -> Answers:
    """Return the answers that `--set` makes."""
    return whole(parse_set(assignments, Given(base=Path("/home/dba"))))


def test_nothing_given_is_what_is_recommended() -> None:
    """Every key is optional."""
    assert whole(Given()) == RECOMMENDED


def test_every_key_of_the_contract_can_be_given_with_its_default(write: Write) -> None:
    given = read_file(
        write("""
version = 1
[server]
names = ["db.example.com", "10.0.0.5"]   # every name and address that clients connect to
[certificate]
source = "new-ca"
key = "ecdsa-p256"
days = 365
passphrase = "none"
passphrase_command = ""
passphrase_reload = true
ca_directory = "ca"
ca_name = "PostgreSQL CA"
ca_days = 3650
intermediate = false
intermediate_days = 1825
encrypt_ca_key = false
ca_passphrase_command = ""
ca_certificate = ""
ca_key = ""
request_file = ""
import_certificate = []
import_key = ""
import_passphrase_command = ""
[files]
certificate = "server.crt"
key = "server.key"
ca = "root.crt"
crl = ""
crl_dir = ""
key_owner = "server"
key_group = ""
settings = ""
[protocol]
profile = "intermediate"
minimum = ""
maximum = ""
ciphers = ""
tls13_ciphers = ""
groups = ""
prefer_server_ciphers = true
dh_params = ""
[clients]
encryption = "required"
certificates = "none"
name = "CN"
ca = ""
roles = []
directory = "clients"
known = []
maps = []
""")
    )
    assert set(given.values) | {"clients.rule"} == set(QUESTIONS)
    certificate = replace(RECOMMENDED.certificate, ca_directory=given.base / "ca")
    assert whole(given) == replace(RECOMMENDED, certificate=certificate, clients=ClientAnswers(directory=given.base / "clients"))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("version = 2\n", 1, "version 2"),
        ("version = true\n", 1, "version True"),
        ("[server]\nnames = ['a']\n[sever]\n", 3, "no key sever. Did you mean server"),
        ("\n[certificate]\ndays = 90\ndayz = 1\n", 4, "no key certificate.dayz. Did you mean certificate.days"),
        ("[certificate]\n'days' = '90'\n", 2, "certificate.days must be a whole number"),
        ("certificate.days = 0\n", 1, "certificate.days must be from 1 to 36500"),
        ("certificate = { key = 'ecdsa-p256',\tintermediate = 'yes' }\n", 1, "certificate.intermediate must be true or false"),
        ("[certificate]\nkey = 'ed25519'\n", 2, "certificate.key must be one of ecdsa-p256"),
        ("[server]\nnames = 'db'\n", 2, "server.names must be a list"),
        ("[server]\nnames = [\n  'db', # [certificate]\n  '''x\n[files]\nkey = ''',\n]\n[files]\nkey = 5\n", 9, "files.key must be a text"),
        ('[files]\nkey = "a\\nb"\n', 2, "files.key must be one line"),
        ("x = 1\n", 1, "no key x"),
        ("[server]\nnames = [1]\n", 2, "server.names must be a list"),
        ("[server]\n\nnames = [\n", 3, "no TOML"),
        ("[server]\n\nnames == 1\n", 3, "no TOML"),
        ("[server]\nnames = ['a']\nnames = ['b']\n", 3, "no TOML"),
        ("[certificate]\ndays = " + "9" * 5000, 2, "no TOML"),
        ("[clients]\nrule = 1\n", 2, "clients.rule must be a list of tables"),
        ("[clients]\nrule = [\n 'x' ]\n", 3, "clients.rule must be a list of tables"),
        (
            "[[clients.rule]]\nmatch = 'a'\n[[clients.rule]]\nmatch = 'b'\nmatc = 'c'\n",
            5,
            "no key clients.rule.matc. Did you mean clients.rule.match?",
        ),
        ("[[clients.rule]]\nmatch = 'a'\n\n[[clients.rule]]\nmap = 'b'\n", 4, "clients.rule.match is missing"),
        ("[[clients.rule]]\nmatch = 'a'\nencryption = 'sometimes'\n", 3, "clients.rule.encryption must be one of leave"),
        ("[[clients.rule]]\nmatch = 'a'\n[[clients.rule]]\nmatch = 3\n", 4, "clients.rule.match must be a text"),
        ("[clients]\nrule = [\n  {match = 'a'},\n  {mtch = 'b'},\n]\n", 4, "no key clients.rule.mtch"),
        (
            "[clients]\nmaps = [\n {map = 'm', system_user = 's', role = 'r'},\n {map = 'm', system = 's'}]\n",
            4,
            "no key clients.maps.system",
        ),
        ("[server]\nnames = [\n  'a',\n  3,\n]\n", 4, "server.names must be a list of texts"),
        ("\ncertificate = 3\n", 2, "certificate must be a table"),
        ("\n[[certificate]]\ndays = 3\n", 2, "certificate must be a table"),
        ("[certificate.days]\nx = 1\n", 1, "certificate.days must be a whole number"),
        ("certificate = {days = 1, dyas = 2}\n", 1, "Did you mean certificate.days?"),
        ("\n'certificate'.\"dyas\" = 2\n", 2, "Did you mean certificate.days?"),
    ],
)
def test_an_error_in_the_file_names_its_line(write: Write, text: str, line: int, words: str) -> None:
    """Unknown keys, wrong types, values out of bounds and bad TOML: what is wrong and on which line."""
    path = write(text)
    with pytest.raises(UnusableInput) as caught:
        read_file(path)
    assert caught.value.where == f"{path}:{line}"
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[server]\nnames = []\n", 2, "At least one name"),
        ("[server]\nnames = [\n 'db.example.com:5432']\n", 2, "cannot be a name"),
        ("[protocol]\nciphers = 'HIGH'\n", 2, "only with protocol.profile"),
        ("[protocol]\nprofile = 'modern'\nprefer_server_ciphers = false\n", 3, "only with protocol.profile"),
        ("[protocol]\nprofile = 'custom'\nminimum = 'TLSv1.3'\n\nmaximum = 'TLSv1.2'\n", 3, "above the maximum"),
        ("[protocol]\nprofile = 'custom'\n\nmaximum = 'TLSv1.4'\n", 4, "no TLS version"),
        ("[certificate]\ndays = 4000\n", 2, "cannot outlive its issuer"),
        ("[certificate]\n\nca_days = 100\n", 3, "cannot outlive its issuer"),
        ("[certificate]\nintermediate = true\nintermediate_days = 300\n", 3, "cannot outlive its issuer"),
        ("[certificate]\nintermediate = true\n\nintermediate_days = 4000\n", 4, "cannot outlive the root"),
        ("[certificate]\nca_name = ''\n", 2, "1 to 51 characters"),
        ("[certificate]\nca_directory = '/srv/pg/data/ca'\n", 2, "must not lie in the data directory"),
        ("[clients]\ncertificates = 'verify-ca'\n[certificate]\nsource = 'self-signed'\n", 2, "signs no client certificates"),
        ("[files]\nca = 'server.crt'\n", 2, "a file of its own"),
        ("[certificate]\npassphrase = 'command'\n", 2, "needs that command"),
        ("[certificate]\npassphrase_command = 'cat x'\n", 2, "counts only with"),
        ("[certificate]\npassphrase = 'prompt'\npassphrase_reload = false\n", 3, "counts only with"),
        ("[certificate]\nsource = 'self-signed'\nencrypt_ca_key = true\n", 3, "where a CA is made"),
        ("[files]\nkey_owner = 'root'\n", 2, "needs the group"),
        ("[files]\nkey_group = 'ssl-cert'\n", 2, "counts only with files.key_owner"),
    ],
)
def test_values_that_cannot_be_or_do_not_fit_together_name_a_line(write: Write, text: str, line: int, words: str) -> None:
    path = write(text)
    with pytest.raises(UnusableInput) as caught:
        whole(read_file(path))
    assert caught.value.where == f"{path}:{line}"
    assert words in caught.value.message
    assert caught.value.exit_code == 2


def test_the_ca_does_not_go_into_any_data_directory(tmp_path: Path) -> None:
    """Another cluster's is no better place, nor one that a symbolic link leads to."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "PG_VERSION").write_text("17\n", encoding="utf-8")
    (tmp_path / "link").symlink_to("other")
    for place in ("other/ca", "link"):
        with pytest.raises(UnusableInput, match="must not lie in a data directory"):
            by_option(f"certificate.ca_directory={tmp_path / place}")


def test_relative_paths_mean_the_data_directory_or_the_files_own(write: Write) -> None:
    """Under [files] the data directory, elsewhere the directory of the answers file."""
    path = write(
        "[files]\nkey = '../tls/server.key'\nsettings = 'extra.conf'\n[clients]\nca = 'x/clients.pem'\n[certificate]\nca_directory = '../ca'\n"
    )
    answers = whole(read_file(path))
    assert answers.files.key == Path("/srv/pg/tls/server.key")
    assert answers.files.settings == DATA / "extra.conf"
    assert answers.clients.ca == path.parent / "x" / "clients.pem"
    assert answers.certificate.ca_directory == path.parent.parent / "ca"


@pytest.mark.parametrize(
    ("assignment", "key", "value"),
    [
        ("certificate.days=90", "certificate.days", 90),
        ("certificate.days = 90", "certificate.days", 90),
        ("certificate.intermediate=true", "certificate.intermediate", True),
        ("certificate.key=rsa-3072", "certificate.key", "rsa-3072"),
        ("certificate.key='rsa-3072'", "certificate.key", "rsa-3072"),
        ("certificate.ca_name=2026", "certificate.ca_name", "2026"),
        ("certificate.ca_name=Our CA = best", "certificate.ca_name", "Our CA = best"),
        ("server.names=a.example.com,10.0.0.1", "server.names", ("a.example.com", "10.0.0.1")),
        ('server.names="a.example.com, b.example.com"', "server.names", ("a.example.com", "b.example.com")),
        ("server.names=['a', 'b']", "server.names", ("a", "b")),
        ("server.names=::1", "server.names", ("::1",)),
    ],
)
def test_options_take_toml_values_plain_strings_and_lists_with_commas(assignment: str, key: str, value: object) -> None:
    """`--set` is kind to shells."""
    assert flat(by_option(assignment))[key] == value


@pytest.mark.parametrize(
    ("assignment", "words", "hint"),
    [
        (
            "certificate.dyas=90",
            "no key certificate.dyas. Did you mean certificate.days?",
            "certificate.days: how long the server certificate",
        ),
        ("dyas=90", "no key dyas. Did you mean certificate.days?", "certificate.days: how long"),
        ("certificate=3", "certificate is a table", "certificate.source, certificate.key"),
        ("zzz=3", "no key zzz", "--help lists the keys"),
        ("certificate.days", "no key=value", "--set certificate.days=90"),
        ("=3", "no key=value", "--set certificate.days=90"),
        ("certificate.days=often", "must be a whole number", "How long the server certificate lives"),
        ("certificate.key=dsa", "must be one of ecdsa-p256", "The type of the server's key, and of a new CA's"),
        ("clients.rule=[{mtch='a'}]", "no key clients.rule.mtch", "clients.rule.match: the rule's words"),
        ("version=2", "version 2", None),
    ],
)
def test_an_error_in_an_option_names_the_option_and_its_cure(assignment: str, words: str, hint: str | None) -> None:
    """With its number where there are several."""
    for before, place in (([], f"--set {assignment}"), (["certificate.days=3"], f"--set {assignment} (number 2 of 2)")):
        with pytest.raises(UnusableInput) as caught:
            parse_set([*before, assignment], Given())
        assert words in caught.value.message
        assert caught.value.where == place
        assert (hint or "") in (caught.value.hint or "")


@pytest.mark.parametrize("assignment", ["certificate.days", "days=1", "certificate.days=many", "certificate.intermediate=yes", "version=2"])
def test_bad_options_are_refused(assignment: str) -> None:
    """No `=`, an unknown key, a wrong type."""
    with pytest.raises(UnusableInput):
        by_option(assignment)


def test_options_win_over_the_file_and_the_last_one_over_the_others(write: Write) -> None:
    """After `-a`, in order."""
    given = parse_set(["certificate.days=30", "certificate.days=31"], read_file(write("[certificate]\ndays = 90\n")))
    assert whole(given).certificate.days == 31
    assert whole(given.without("certificate.days")).certificate.days == 365
    assert given.where["certificate.days"] == "--set certificate.days=31 (number 2 of 2)"


def test_a_file_that_cannot_be_read_is_said_and_not_raised(tmp_path: Path) -> None:
    """Missing, a directory, no text."""
    (tmp_path / "latin").write_bytes(b"# \xfc\n")
    for name in ("missing", ".", "latin"):
        with pytest.raises(UnusableInput) as caught:
            read_file(tmp_path / name)
        assert caught.value.where == str(tmp_path / name)


_NAMES = st.lists(st.sampled_from(("db.example.com", "10.0.0.5", "*.x.example.com", "münchen.example", "::1")), min_size=1, unique=True)
_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=51)
_PATHS = st.builds(lambda text: Path("/etc/pg") / text.replace("/", "_"), _TEXT.filter(lambda text: text not in {".", ".."}))


@settings(max_examples=60, deadline=None)
@examples(_NAMES, _TEXT, _PATHS, st.booleans(), st.sampled_from(("modern", "custom")), st.integers(1, 1000))
def test_saved_answers_give_the_same_answers_again(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], ca_name: str, place: Path, intermediate: bool, profile: str, days: int
) -> None:
    """Whatever the names, paths and numbers are; recommendations do not shine through."""
    values = {
        "server.names": names,
        "certificate.ca_name": ca_name,
        "certificate.intermediate": intermediate,
        "certificate.days": days,
        "certificate.ca_directory": str(place),
        "files.key": f"{place}.key",
        "files.settings": f"{place}.conf",
        "clients.encryption": "optional",
        "protocol.profile": profile,
        **({"protocol.ciphers": "HIGH:!aNULL", "protocol.prefer_server_ciphers": False} if profile == "custom" else {}),
    }
    answers = whole(Given(values, dict.fromkeys(values, "--set")))
    path = tmp_path_factory.mktemp("saved") / "answers.toml"
    path.write_text(to_toml(answers), encoding="utf-8")
    assert complete(read_file(path), replace(RECOMMENDED, server=ServerAnswers(("else",))), Path("/other")) == answers


@settings(max_examples=200, deadline=None)
@examples(st.text(st.sampled_from("ab.=[]{}\"'\\#,\n 1"), max_size=40))
def test_looking_for_lines_ends_on_any_text(text: str) -> None:
    """It is only asked about valid TOML; elsewhere it must neither fail nor hang."""
    assert all(line <= text.count("\n") + 1 for line in key_lines(text).values())


def test_answers_load_neither_cryptography_nor_click_nor_tomlkit() -> None:
    """They are read before the first frame."""
    code = (
        "import sys, pgssl_wizard.answers; print({'cryptography', 'click', 'tomlkit', 'tomllib', 'psycopg', 'textual'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
