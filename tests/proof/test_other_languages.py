"""Servers that do not speak English: what a refusal means is told by its code and its place, never by its words."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgssl_wizard.cluster.facts import Known
from pgssl_wizard.proof.entering import enter
from pgssl_wizard.proof.verify import objections, verify
from pgssl_wizard.proof.ways import objection
from pgssl_wizard.server import attempt
from pgssl_wizard.server.attempt import StoppedBy, Tried
from tests.change import planning
from tests.proof import german
from tests.servers import RealCluster

HERE = "127.0.0.1"
REFUSED = 'connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("verbose", "plain", "code", "stopped_by"),
    [
        (
            "FATAL:  28000: kein pg_hba.conf-Eintrag für Host\nLOCATION:  ClientAuthentication, auth.c:540",
            "FATAL:  kein pg_hba.conf-Eintrag für Host",
            "28000",
            "rules",
        ),
        ("FATAL:  28000: Rolle »x« existiert nicht\nORT:  InitializeSessionUserId, miscinit.c:766", None, "28000", "inside"),
        ("致命错误:  28P01: 用户认证失败\n位置:  auth_failed, auth.c:330", "致命错误:  用户认证失败", "28P01", "method"),
        ("FATAL:  28000: Ident-Authentifizierung fehlgeschlagen\nORT:  auth_failed, auth.c:330", None, "28000", "method"),
        ("FATAL:  53300: sorry, too many clients already\nLOCATION:  InitProcess, proc.c:359", None, "53300", "before"),
        ("FATAL:  53300: reserved\nLOCATION:  InitPostgres, postinit.c:845", None, "53300", "inside"),
        ("FATAL:  57P03: the database system is starting up\nLOCATION:  ProcessStartupPacket, postmaster.c:2415", None, "57P03", "before"),
        ("FATAL:  F0000: client certificates can only be checked\nLOCATION:  ClientAuthentication, auth.c:4", None, "F0000", "rules"),
        ("FATAL:  3D000: no such database", "FATAL:  no such database", "3D000", "inside"),
        ('FATAL:  no pg_hba.conf entry for host "x"', 'FATAL:  no pg_hba.conf entry for host "x"', None, "rules"),
        ('FATAL:  role "x" does not exist', 'FATAL:  role "x" does not exist', None, "inside"),
        ("SSL error: tlsv1 alert unknown ca", "SSL error: tlsv1 alert unknown ca", None, None),
        ("", "", None, None),
    ],
)
def test_a_refusal_is_understood_by_its_code_and_its_place(
    verbose: str, plain: str | None, code: str | None, stopped_by: StoppedBy | None
) -> None:
    """In any language; what comes without either (a pooler, an old library) is read in English."""
    message, found, by = attempt.taken_apart(f"{REFUSED}{verbose}" if verbose else "")
    assert (found, by) == (code, stopped_by)
    assert "LOCATION" not in message
    assert "auth.c" not in message
    if plain is not None:
        assert message == (f"{REFUSED}{plain}" if plain else "")


def test_the_last_of_several_refusals_counts() -> None:
    """With sslmode=prefer there is one for each connection tried, and the message has both as libpq gives them."""
    text = (
        f"{REFUSED}FATAL:  28000: nein, mit TLS\nLOCATION:  ClientAuthentication, auth.c:1\n"
        f"{REFUSED}FATAL:  28P01: nein, ohne\nLOCATION:  auth_failed, auth.c:2\n"
    )
    assert attempt.taken_apart(text) == (f"{REFUSED}FATAL:  nein, mit TLS\n{REFUSED}FATAL:  nein, ohne", "28P01", "method")


def test_codes_and_places_are_what_real_servers_send(cluster: RealCluster) -> None:
    """On every version: no rule, a reject line, a method, a role and a database that are not there."""
    cluster.hba_file.write_text(
        f"local all all peer\nhost all rejected all reject\nhost all ghost all trust\nhost all app all ident\nhost all {cluster.superuser} all trust\n"
    )
    cluster.reload()

    def tried(user: str, database: str = "app") -> Tried:
        return attempt.try_connection("localhost", cluster.port, user, database, sslmode="disable", hostaddr=HERE)

    stopped = {user: (tried(user).sqlstate, tried(user).stopped_by) for user in ("nobody", "rejected", "ghost", "app")}
    assert stopped == {
        "nobody": ("28000", "rules"),
        "rejected": ("28000", "rules"),
        "ghost": ("28000", "inside"),
        "app": ("28000", "method"),
    }
    assert (tried(cluster.superuser, "none").sqlstate, tried(cluster.superuser, "none").stopped_by) == ("3D000", "inside")
    assert tried(cluster.superuser) == Tried("accept", None, None)


def test_a_server_that_speaks_german_is_proved_like_any_other(open_tmp_path: Path) -> None:
    """Ways that are open, that are shut, and that end inside; the words are its own."""
    with german.cluster(open_tmp_path) as real:
        real.hba_file.write_text(
            "local all all peer\nhostssl all ghost all trust\nhostssl all all all scram-sha-256\nhost all all all reject\n"
        )
        real.serve_tls()
        real.start()
        looked = planning.look(real, {"ssl": "on"})
        known = [Known("log", user, "app", HERE) for user in ("app", "ghost")]
        entered = enter(looked, known=known)
        assert objection(entered.ways) is None
        said = {(each.who, each.transport): each for each in entered.ways if each.kind == "known"}
        assert "lehnt Verbindung ab" in (said["app", "tcp"].message or "")
        assert said["ghost", "tls"].outcome == "accept"
        assert "existiert nicht" in (said["ghost", "tls"].message or "")
        proof = verify(looked, names=("localhost",), user="ghost", ways=True, known=known)
        assert proof.holds, objections(proof)
