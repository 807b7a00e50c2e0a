"""One server that lets nobody in over TCP without a certificate, and kits of roles and a database with odd names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pgssl_wizard.certificates import issue, keys
from pgssl_wizard.certificates.kit_text import Connection
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.change.issue import Wanted, carry_out, prepare
from pgssl_wizard.change.signals import watched
from tests.cli.test_issue import make_ca
from tests.drivers.snippets import DATABASE, ROLES, Guarded
from tests.servers import RealCluster, available, certificates

HBA = "local all all peer\nhostssl all all 127.0.0.1/32 cert\nhostssl all all ::1/128 cert\n"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The server of the newest major, and the kits."""
    if not available():
        pytest.skip("no PostgreSQL server found; `make servers` fetches some")
    place = tmp_path_factory.mktemp("drivers")
    now = datetime.now(UTC)
    with RealCluster.make(place, max(available()), hba=HBA) as cluster:
        root, middle = make_ca(place / "ca", middle=True)
        profile = Profile("server", "localhost", "ecdsa-p256", 30, "Middle CA", ("localhost", "127.0.0.1", "::1"))
        server = issue.make(profile, keys.generate("ecdsa-p256"), middle, now)
        cluster.write("server.key", server.key_pem)
        cluster.write("server.crt", server.certificate_pem + middle.certificate_pem)
        cluster.write("root.crt", root.certificate_pem)
        cluster.set(ssl="on", ssl_ca_file="root.crt")
        cluster.start()
        for role in ROLES[1:]:
            cluster.sql(f"create role {_quoted(role)} login")
        cluster.sql(f"create database {_quoted(DATABASE)}")
        wanted = Wanted(ROLES, place / "kits", place / "ca", connection=Connection("localhost", cluster.port, DATABASE))
        made: dict[str, Path] = {}
        with watched() as watch:
            prepared = prepare(wanted, now=now, ca_passphrase=lambda _: None)
            carry_out(prepared, wanted.output, watch, lambda kit: made.update({kit.role: wanted.output / kit.directory}))
        yield Guarded(cluster, made, certificates.make("Another CA", ca=True).pem)
