"""openssl.cnf: the way to the section that counts, and its grammar."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgssl_wizard.protocol.openssl_conf import SystemDefault, system_default

FILE = Path("/etc/ssl/openssl.cnf")
HEAD = "openssl_conf = start\n[start]\nssl_conf = tls\n[tls]\nsystem_default = host\n[host]\n"


def read(text: str, **others: str) -> SystemDefault | None:
    """Return what stands in a file; `others` are files beside it, by their names with _ for a dot."""
    files = {FILE: text.encode()} | {FILE.parent / name.replace("_", "."): content.encode() for name, content in others.items()}
    directories = {FILE.parent / "more": ["b.cnf", "a.conf", "readme"]}
    return system_default(FILE, files.get, directories.get)


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        (
            HEAD + "MinProtocol = TLSv1.2\nCipherString = DEFAULT:@SECLEVEL=2\n",
            {"MinProtocol": "TLSv1.2", "CipherString": "DEFAULT:@SECLEVEL=2"},
        ),
        (HEAD + "  minprotocol=TLSv1.2   # why\n", {"MinProtocol": "TLSv1.2"}),
        (HEAD + "1.Options = -TLSv1.1\n", {"Options": "-TLSv1.1"}),
        (HEAD + "CipherString = 'A # B'\n", {"CipherString": "A # B"}),
        (HEAD + "CipherString = A:\\\nB\nMaxProtocol = TLSv1.2\n", {"CipherString": "A:B", "MaxProtocol": "TLSv1.2"}),
        (HEAD + "MinProtocol = $tls::least\n[tls]\nleast = TLSv1\n", {"MinProtocol": ""}),
        ("least = TLSv1.1\n" + HEAD + "MinProtocol = ${least}\n", {"MinProtocol": "TLSv1.1"}),
        (HEAD + "VerifyMode = Peer\n", {}),
        ("[host]\nMinProtocol = TLSv1.3\n", {}),
        (HEAD.replace("ssl_conf", "other_conf") + "MinProtocol = TLSv1.3\n", {}),
        ("", {}),
    ],
)
def test_only_what_the_way_leads_to_counts(text: str, commands: dict[str, str]) -> None:
    """A section that nothing points to bounds nobody."""
    found = read(text)
    assert found is not None
    assert dict(found.commands) == commands


def test_included_files_go_on_where_the_line_stands() -> None:
    """As the crypto policies of RHEL do it."""
    found = read(HEAD + ".include = policy.config\nGroups = X25519\n", policy_config="MinProtocol = TLSv1.2\nMinProtocol = TLSv1.3\n")
    assert found is not None
    assert found.in_words() == "MinProtocol = TLSv1.3, Groups = X25519"
    assert found.where == {"MinProtocol": "/etc/ssl/policy.config:2", "Groups": "/etc/ssl/openssl.cnf:8"}
    assert found.read == (FILE, FILE.parent / "policy.config")


def test_a_directory_brings_its_files_in_the_order_of_their_names() -> None:
    found = read(
        HEAD + ".include more\n", **{"more/a_conf": "MinProtocol = TLSv1.2\n", "more/b_cnf": "MinProtocol = TLSv1.3\n", "more/readme": "x"}
    )
    assert found is not None
    assert found.where == {"MinProtocol": "/etc/ssl/more/b.cnf:1"}


def test_a_file_that_includes_itself_comes_to_an_end() -> None:
    found = read(HEAD + ".include openssl.cnf\nMinProtocol = TLSv1.2\n")
    assert found is not None
    assert found.commands == {"MinProtocol": "TLSv1.2"}


def test_no_file_bounds_nobody() -> None:
    assert system_default(FILE, lambda _: None, lambda _: None) is None
