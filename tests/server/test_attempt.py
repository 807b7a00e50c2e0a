"""Connections as clients make them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pgssl_wizard.server import attempt
from pgssl_wizard.server.attempt import Tried
from tests.servers import RealCluster
from tests.servers.certificates import Made, make

LOCAL = "127.0.0.1"


def tried(cluster: RealCluster, sslmode: str, *, host: str = "localhost", user: str = "app", **more: object) -> Tried:
    """Try as the role app on the database app."""
    return attempt.try_connection(host, cluster.port, user, "app", sslmode=sslmode, hostaddr=LOCAL, **more)  # type: ignore[arg-type]


@pytest.fixture
def root(cluster: RealCluster, tmp_path: Path) -> Path:
    """The cluster serves TLS; this file has its certificate."""
    path = tmp_path / "right.crt"
    path.write_bytes(cluster.serve_tls("localhost", LOCAL).pem)
    return path


@pytest.fixture
def wrong_root(tmp_path: Path) -> Path:
    """A root that has nothing to do with it."""
    path = tmp_path / "wrong.crt"
    path.write_bytes(make("somebody else", ca=True).pem)
    return path


def test_without_tls_only_the_modes_that_do_not_insist_get_through(cluster: RealCluster) -> None:
    """The others are refused with libpq's words."""
    for mode in ("disable", "allow", "prefer"):
        assert (tried(cluster, mode).outcome, tried(cluster, mode).tls) == ("accept", None)
    refused = tried(cluster, "require")
    assert (refused.outcome, refused.tls) == ("reject", None)
    assert refused.message is not None
    assert "server does not support SSL, but SSL was required" in refused.message


def test_every_mode_means_what_it_means_to_users(cluster: RealCluster, root: Path, wrong_root: Path) -> None:
    """With the right root, none, and a wrong one."""
    seen = {
        (mode, name): (outcome.outcome, outcome.tls)
        for mode in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
        for name, file in (("right", root), ("none", None), ("wrong", wrong_root))
        for outcome in [tried(cluster, mode, root=file)]
    }
    plain, encrypted, refused = ("accept", None), ("accept", "TLSv1.3"), ("reject", None)
    assert {key: value for key, value in seen.items() if key[1] == "right"} == {
        ("disable", "right"): plain,
        ("allow", "right"): plain,
        ("prefer", "right"): encrypted,
        ("require", "right"): encrypted,
        ("verify-ca", "right"): encrypted,
        ("verify-full", "right"): encrypted,
    }
    assert seen["require", "none"] == encrypted
    assert seen["verify-ca", "none"] == seen["verify-full", "none"] == refused
    assert seen["require", "wrong"] == seen["verify-ca", "wrong"] == seen["verify-full", "wrong"] == refused
    # The trap of sslmode=prefer: with a wrong root it goes on in plaintext and says nothing.
    assert seen["prefer", "wrong"] == plain


def test_a_name_that_the_certificate_does_not_have_is_refused_by_verify_full_alone(cluster: RealCluster, root: Path) -> None:
    """With the name in the message."""
    assert tried(cluster, "verify-ca", host="other.example.com", root=root).outcome == "accept"
    refused = tried(cluster, "verify-full", host="other.example.com", root=root)
    assert refused.outcome == "reject"
    assert refused.message is not None
    assert 'does not match host name "other.example.com"' in refused.message


def test_being_asked_for_a_password_counts_as_let_in(cluster: RealCluster) -> None:
    """A wrong password does not, a right one gets to the end."""
    assert tried(cluster, "disable").asked_for_password
    right = tried(cluster, "disable", password=cluster.app_password)
    assert right == Tried("accept", None, None)
    wrong = tried(cluster, "disable", password="it's wrong\\")
    assert wrong.outcome == "reject"
    assert wrong.message is not None
    assert 'password authentication failed for user "app"' in wrong.message


def test_a_rule_that_rejects_is_told_in_the_servers_words(cluster: RealCluster, root: Path) -> None:
    """Encrypted or not."""
    cluster.hba_file.write_text("local all all peer\nhostssl all all all scram-sha-256\n", encoding="utf-8")
    cluster.reload()
    refused = tried(cluster, "disable")
    assert (refused.outcome, refused.tls) == ("reject", None)
    assert refused.message is not None
    assert f'no pg_hba.conf entry for host "{LOCAL}", user "app", database "app"' in refused.message
    # sslmode=allow begins in plaintext, is refused, and succeeds with TLS: what decided is what counts.
    assert (tried(cluster, "allow").outcome, tried(cluster, "allow").tls) == ("accept", "TLSv1.3")
    cluster.hba_file.write_text("local all all peer\nhostssl all all all reject\n", encoding="utf-8")
    cluster.reload()
    rejected = tried(cluster, "require", root=root)
    assert (rejected.outcome, rejected.tls) == ("reject", "TLSv1.3")


def test_a_client_certificate_is_offered_when_given(cluster: RealCluster, tmp_path: Path) -> None:
    """Right, of another name, of another authority, none."""
    cluster.serve_tls()
    authority = make("client root", ca=True)
    cluster.write("root.crt", authority.pem)
    cluster.set(ssl_ca_file="root.crt")
    cluster.hba_file.write_text("local all all peer\nhostssl all all all cert\n", encoding="utf-8")
    cluster.reload()
    outcomes = {}
    for name, made in {
        "right": make("app", issuer=authority),
        "wrong-name": make("other", issuer=authority),
        "wrong-ca": make("app", issuer=make("another root", ca=True)),
    }.items():
        outcomes[name] = tried(cluster, "require", **files(tmp_path / name, made))  # type: ignore[arg-type]
    outcomes["none"] = tried(cluster, "require")
    assert {name: outcome.outcome for name, outcome in outcomes.items()} == {
        "right": "accept",
        "wrong-name": "reject",
        "wrong-ca": "reject",
        "none": "reject",
    }
    assert outcomes["right"].tls == "TLSv1.3"
    assert 'certificate authentication failed for user "app"' in (outcomes["wrong-name"].message or "")
    assert "connection requires a valid client certificate" in (outcomes["none"].message or "")
    assert "unknown ca" in (outcomes["wrong-ca"].message or "")


def test_the_users_own_files_and_variables_do_not_matter(
    cluster: RealCluster, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither ~/.postgresql nor ~/.pgpass nor any PG variable changes the outcome."""
    home = tmp_path / "home"
    (home / ".postgresql").mkdir(parents=True)
    for name in ("root.crt", "postgresql.crt", "postgresql.key", "root.crl"):
        (home / ".postgresql" / name).write_text("garbage", encoding="utf-8")
        (home / ".postgresql" / name).chmod(0o600)
    (home / ".pgpass").write_text("*:*:*:*:wrong\n", encoding="utf-8")
    (home / ".pgpass").chmod(0o600)
    (home / ".pg_service.conf").write_text("[here]\nhost=nowhere.invalid\noptions=-c nonsense=on\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))
    for name, value in {
        "PGSERVICE": "here",
        "PGSERVICEFILE": str(home / ".pg_service.conf"),
        "PGPASSWORD": "wrong",
        "PGSSLMODE": "disable",
        "PGSSLROOTCERT": str(home / ".postgresql" / "root.crt"),
        "PGSSLCERT": str(home / ".postgresql" / "postgresql.crt"),
        "PGSSLCRL": str(home / ".postgresql" / "root.crl"),
        "PGSSLMINPROTOCOLVERSION": "TLSv1.3",
        "PGSSLMAXPROTOCOLVERSION": "TLSv1.2",
        "PGSSLCERTMODE": "require",
        "PGMINPROTOCOLVERSION": "3.2",
        "PGMAXPROTOCOLVERSION": "nonsense",
        "PGREQUIREAUTH": "none",
        "PGCHANNELBINDING": "require",
        "PGOPTIONS": "-c nonsense=on",
        "PGTARGETSESSIONATTRS": "standby",
        "PGHOSTADDR": "192.0.2.1",
        "PGHOST": "nowhere.invalid",
        "PGCONNECT_TIMEOUT": "nonsense",
    }.items():
        monkeypatch.setenv(name, value)
    outcome = tried(cluster, "verify-full", root=root)
    assert (outcome.outcome, outcome.tls, outcome.asked_for_password) == ("accept", "TLSv1.3", True), outcome.message
    assert os.environ["PGSERVICE"] == "here"


def test_a_server_that_says_nothing_is_given_up() -> None:
    """After the time allowed."""
    with socket.create_server((LOCAL, 0)) as listener:
        outcome = attempt.try_connection("localhost", listener.getsockname()[1], "u", "d", sslmode="prefer", hostaddr=LOCAL, timeout=0.1)
    assert outcome == Tried("reject", None, "timeout expired")


def test_a_socket_is_reached_by_its_directory(cluster: RealCluster) -> None:
    """And is never encrypted, even with verify-full."""
    cluster.hba_file.write_text("local all all trust\n", encoding="utf-8")
    cluster.reload()
    outcome = attempt.try_connection(str(cluster.socket_directory), cluster.port, "app", "app", sslmode="verify-full")
    assert outcome == Tried("accept", None, None)


def test_names_with_quotes_and_blanks_stay_one_value(cluster: RealCluster) -> None:
    """Nothing of a role's name can become another parameter."""
    refused = tried(cluster, "disable", user="o'brien\\ port=1", password="x")
    assert refused.message is not None
    assert 'password authentication failed for user "o\'brien\\ port=1"' in refused.message


def test_the_client_library_says_its_version() -> None:
    """For the proof's small print."""
    assert attempt.client_library().startswith("libpq 1")


def files(directory: Path, made: Made) -> dict[str, Path]:
    """Write a client certificate and its key; return the arguments that name them."""
    directory.mkdir()
    certificate, key = directory / "client.crt", directory / "client.key"
    certificate.write_bytes(made.pem)
    key.write_bytes(made.key_pem)
    key.chmod(0o600)
    return {"certificate": certificate, "key": key}
