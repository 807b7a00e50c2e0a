"""Who came in, out of the logs that real servers write: three formats, many prefixes, rotated files, other languages."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from pgssl_wizard.server import connection_messages as messages
from pgssl_wizard.server.connection_log import SeenConnection, read
from pgssl_wizard.server.log_files import Where
from tests.servers import RealCluster, certificates

HBA = """\
local all all peer
hostssl all holder 127.0.0.1/32 cert
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
"""
EVERYTHING = "stderr,csvlog,jsonlog"
DEBIAN = "%m [%p] %q%u@%d "


@pytest.fixture
def talking(major: int, tmp_path: Path) -> Iterator[RealCluster]:
    """A running server with TLS that logs connections in all the formats it knows."""
    destinations = EVERYTHING if major >= 15 else "stderr,csvlog"
    conf = {
        "log_connections": "on",
        "log_disconnections": "on",
        "logging_collector": "on",
        "log_destination": destinations,
        "log_filename": "postgresql-%a.log",
        "log_line_prefix": DEBIAN,
        "wal_level": "logical",
    }
    with RealCluster.make(tmp_path, major, hba=HBA, conf=conf) as cluster:
        ca = certificates.make("the CA", ca=True)
        holder = certificates.make("holder", issuer=ca)
        (tmp_path / "holder.crt").write_bytes(holder.pem)
        (tmp_path / "holder.key").write_bytes(holder.key_pem)
        (tmp_path / "holder.key").chmod(0o600)
        cluster.serve_tls()
        cluster.write("root.crt", ca.pem, 0o644)
        cluster.set(ssl_ca_file="root.crt")
        cluster.start()
        cluster.sql("create role holder login")
        yield cluster


def come(cluster: RealCluster, **more: str) -> None:
    """Come in; somebody called `turned away` does not get in."""
    usual = {"user": "app", "dbname": "app", "password": cluster.app_password, "sslmode": "disable", "gssencmode": "disable"}
    refused = "turned away" in more.get("application_name", "")
    with pytest.raises(psycopg.OperationalError) if refused else contextlib.nullcontext():
        psycopg.connect(host="127.0.0.1", port=cluster.port, **{**usual, **more}).close()  # type: ignore[arg-type]


def where(cluster: RealCluster, destinations: str = "stderr", **more: object) -> Where:
    """Return what the settings of such a server say."""
    usual = Where(
        cluster.data_directory, frozenset(destinations.split(",")), collector=True, filename="postgresql-%a.log", prefix=DEBIAN
    )  # fmt: skip
    return replace(usual, connections="on", **more)  # type: ignore[arg-type]


def kinds(seen: tuple[SeenConnection, ...]) -> set[SeenConnection]:
    """Return them without how often and when."""
    return {replace(each, count=0, last=None) for each in seen}


def test_every_format_tells_the_same(talking: RealCluster, tmp_path: Path) -> None:
    """Plaintext and TLS, replication of both kinds, a certificate, the socket; whoever was turned away is not among them."""
    superuser = {"user": talking.superuser, "password": talking.password}
    certificate = {"sslcert": str(tmp_path / "holder.crt"), "sslkey": str(tmp_path / "holder.key"), "user": "holder"}
    come(talking, application_name="metrics (of=mine)")
    come(talking, application_name="metrics (of=mine)")
    come(talking, sslmode="require", application_name="shop")
    come(talking, **certificate, sslmode="require", dbname="postgres")
    come(talking, **superuser, replication="true", sslmode="require", application_name="walreceiver")
    come(talking, **superuser, replication="database")
    come(talking, password="wrong", application_name="turned away")
    come(talking, dbname="nowhere", application_name="turned away later")
    talking.stop()

    here = "127.0.0.1"
    subject = "CN=holder" if talking.major >= 14 else None
    expected = {
        SeenConnection("app", "app", here, application="metrics (of=mine)", count=0),
        SeenConnection("app", "app", here, tls=True, application="shop", count=0),
        SeenConnection("holder", "postgres", here, tls=True, certificate=subject, count=0),
        SeenConnection(talking.superuser, "", here, tls=True, replication=True, walsender=True, application="walreceiver", count=0),
        SeenConnection(talking.superuser, "app", here, walsender=True, count=0),
        SeenConnection(talking.superuser, "postgres", count=0),
    }
    now = datetime.now(UTC)
    for destinations in ("stderr", "csvlog", "jsonlog")[: 3 if talking.major >= 15 else 2]:
        told = read(where(talking, destinations), now)
        assert kinds(told.seen) == expected, destinations
        assert told.silence is None
        assert next(each.count for each in told.seen if each.application.startswith("metrics")) == 2
        assert all(each.last and now - timedelta(minutes=10) < each.last <= now for each in told.seen)
    # What is left of a long file may begin inside a statement of several lines, in quotes.
    (collected,) = (talking.data_directory / "log").glob("*.csv")
    collected.write_text('from a\nwhere b = \'x"",,,,,,\n' + collected.read_text())
    assert kinds(read(where(talking, "csvlog"), now).seen) == expected


@pytest.mark.parametrize(
    "prefix",
    [
        "%m [%p] ",
        "%t %c %q%-12u|%12d|%r|%a|",
        "%n %h %l %v %x %i %e %b ",
        "%p:%s:%u,db=%d,app=%a,client=%h ",
        "<%%%Q>%c<%z>%m ",
        "%q%r %u ",
    ],
)
def test_every_prefix_is_read(newest_cluster: RealCluster, prefix: str) -> None:
    """The address stands in the prefix, or in what the same process or session said before."""
    newest_cluster.sql(f"alter system set log_line_prefix = '{prefix}'")
    newest_cluster.sql("alter system set log_connections = on")
    newest_cluster.reload()
    come(newest_cluster, application_name="a: b:  c [1]")
    newest_cluster.stop()
    place = Where(newest_cluster.data_directory, prefix=prefix, connections="on", standard_error=newest_cluster.log_file)
    told = read(place, datetime.now(UTC))
    dated = any(escape in prefix for escape in ("%m", "%t", "%n"))
    assert [(each.user, each.database, each.address, each.application, each.last is not None) for each in told.seen] == [
        ("app", "app", "127.0.0.1", "a: b:  c [1]", dated)
    ]


def test_a_prefix_that_tells_nothing_is_told(newest_cluster: RealCluster) -> None:
    newest_cluster.sql("alter system set log_line_prefix = '%t '")
    newest_cluster.sql("alter system set log_connections = on")
    newest_cluster.reload()
    come(newest_cluster)
    newest_cluster.stop()
    place = Where(newest_cluster.data_directory, prefix="%t ", connections="on", standard_error=newest_cluster.log_file)
    told = read(place, datetime.now(UTC))
    assert (told.seen, told.silence, told.unplaced) == ((), "no-address", 1)


def test_rotated_and_packed_files_count_until_they_are_too_old(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """As logrotate leaves them, and as the collector names them; the newest first, up to a limit."""
    newest_cluster.sql("alter system set log_connections = on")
    newest_cluster.reload()
    come(newest_cluster, application_name="once")
    newest_cluster.stop()
    text = newest_cluster.log_file.read_text()
    log = tmp_path / "logs" / "postgresql-17-main.log"
    log.parent.mkdir()
    log.write_text(text)
    (log.parent / f"{log.name}.1").write_text(text.replace("=once", "=yesterday"))
    with gzip.open(log.parent / f"{log.name}.2.gz", "wt") as packed:
        packed.write(text.replace("=once", "=packed"))
    (log.parent / "postgresql-17-main-20261101.log").write_text(text.replace("=once", "=dated"))
    (log.parent / f"{log.name}.3").write_text(text.replace("=once", "=old"))
    os.utime(log.parent / f"{log.name}.3", (0, 0))
    (log.parent / "postgresql-17-other.log").write_text(text.replace("=once", "=another cluster"))
    now = datetime.now(UTC)
    for age, name in enumerate((log.name, f"{log.name}.1", f"{log.name}.2.gz", "postgresql-17-main-20261101.log")):
        os.utime(log.parent / name, (now.timestamp() - age, now.timestamp() - age))
    place = Where(newest_cluster.data_directory, connections="on", standard_error=log)

    def applications(place: Where, **limits: int) -> set[str]:
        return {each.application for each in read(place, now, **limits).seen}

    assert applications(place) == {"once", "yesterday", "packed", "dated"}
    assert applications(place, at_most=len(text)) == {"once"}
    assert read(place, now + timedelta(days=40)).seen == (), "the lines are too old"
    collected = replace(place, collector=True, directory=str(log.parent), filename="postgresql-%H-main.log")
    assert applications(collected) == {"once", "yesterday", "packed"}
    shutil.rmtree(log.parent)
    assert read(place, now).silence == "empty"


def test_a_name_instead_of_an_address_is_kept_as_a_name(newest_cluster: RealCluster) -> None:
    """log_hostname = on: the server writes what the look-up brought."""
    newest_cluster.sql("alter system set log_connections = on")
    newest_cluster.sql("alter system set log_hostname = on")
    newest_cluster.reload()
    come(newest_cluster)
    newest_cluster.stop()
    (seen,) = read(Where(newest_cluster.data_directory, connections="on", standard_error=newest_cluster.log_file), datetime.now(UTC)).seen
    name = newest_cluster.log().rpartition("connection received: host=")[2].split()[0]
    assert (seen.address, seen.host_name) == (("127.0.0.1", "") if name == "127.0.0.1" else (None, name))


def test_a_log_elsewhere_and_one_that_is_off_are_told(tmp_path: Path) -> None:
    """Nothing is known then, which is something else than nobody."""
    now = datetime.now(UTC)
    assert read(Where(tmp_path, frozenset({"syslog"}), collector=True, connections="on"), now).silence == "elsewhere"
    assert read(Where(tmp_path, connections="on"), now).silence == "elsewhere", "standard error is no file"
    assert read(Where(tmp_path, collector=True), now).silence == "off"
    for words, logged in (("receipt,authorization", True), ("all", True), ("receipt", False), ("", False), ("off", False), ("1", True)):
        assert Where(tmp_path, connections=words).connections_logged is logged


#: As the message catalogues of PostgreSQL 15 have them, filled in.
TRANSLATED = {
    "de": (
        "Verbindung empfangen: Host=10.0.0.5 Port=4711",
        "Verbindung autorisiert: Benutzer=app Datenbank=shop application_name=web SSL an (Protokoll=TLSv1.3, Verschlüsselungsmethode=AES, Bits=256)",
    ),
    "fr": (
        "connexion reçue : hôte=10.0.0.5 port=4711",
        "connexion autorisée : utilisateur=app base de données shop application_name=web SSL activé (protocole : TLSv1.3, chiffrement : AES, bits : 256)",
    ),
    "ja": (
        "接続を受け付けました: ホスト=10.0.0.5 ポート番号=4711",
        "接続の認証完了: ユーザー=app データベース=shop application_name=web SSL有効(プロトコル=TLSv1.3、暗号化方式=AES、ビット長=256)",
    ),
    "sv": (
        "ansluting mottagen: värd=10.0.0.5 port=4711",
        "anslutning auktoriserad: användare=appdatabas=shop applikationsnamn=webSSL påslagen (protokoll=TLSv1.3, krypto=AES, bitar=256)",
    ),
    "ru": (
        "принято подключение: узел=10.0.0.5 порт=4711",
        "подключение авторизовано: пользователь=app база=shop приложение=web SSL включён (протокол=TLSv1.3, шифр=AES, битов=256)",
    ),
}


@pytest.mark.parametrize("language", sorted(TRANSLATED))
def test_servers_that_speak_another_language_are_understood(language: str, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    level = "СООБЩЕНИЕ" if language == "ru" else "LOG"
    log.write_text("".join(f"2026-11-26 03:59:14.968 CET [42] {level}:  {text}\n" for text in TRANSLATED[language]), encoding="utf-8")
    told = read(Where(tmp_path, connections="on", zone="Europe/Berlin", standard_error=log), datetime(2026, 11, 26, 4, tzinfo=UTC))
    last = datetime(2026, 11, 26, 2, 59, 14, tzinfo=UTC)
    assert told.seen == (SeenConnection("app", "shop", "10.0.0.5", tls=True, application="web", last=last),)


@pytest.mark.parametrize(
    ("text", "part", "value"),
    [
        ("connection authorized: user=app database=shop GSS (authenticated=yes, encrypted=yes, principal=app@R)", "gss", True),
        ("connection authorized: user=app database=shop GSS (authenticated=yes, encrypted=no)", "gss", False),
        ("Verbindung autorisiert: Benutzer=app Datenbank=shop GSS (authentifiziert=ja, verschlüsselt=ja, Principal=app@R)", "gss", True),
        ('connection authenticated: identity="CN=a,O=b" method=cert (/etc/pg hba.conf:3)', "identity", "CN=a,O=b"),
        ("connection authorized: user=a b database=c d application_name=e database=f", "database", "c d"),
        ("replication connection authorized: user=r application_name=x (protocol=TLSv1.3)", "tls", False),
    ],
)
def test_the_parts_of_a_message_are_told_apart(text: str, part: str, value: object) -> None:
    """A client may write nearly anything into its application_name."""
    said = messages.read(text)
    assert said is not None
    assert getattr(said, part) == value


def test_other_messages_say_nothing_of_connections() -> None:
    others: list[Callable[[], object]] = [
        lambda: messages.read("checkpoint complete: wrote 7 buffers (0.3%); write=0.001 s"),
        lambda: messages.read("disconnection: session time: 0:00:00.012 user=app database=app host=127.0.0.1 port=37222"),
        lambda: messages.read("statement: select 'connection authorized: user=app'"),
    ]
    assert [other() for other in others] == [None, None, None]
