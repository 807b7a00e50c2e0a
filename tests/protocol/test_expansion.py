"""What the plan says a server offers is what that server agrees to: compared handshake by handshake, on every TLS library found here."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgssl_wizard.answers import ProtocolAnswers
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.inspect import inspect
from pgssl_wizard.cluster.protocol_facts import offer_of
from pgssl_wizard.protocol.profiles import settings_for
from pgssl_wizard.protocol.suites import Offer, Question
from pgssl_wizard.server import tls_library
from pgssl_wizard.server.identity import Identity
from pgssl_wizard.server.programs import Programs
from tests.protocol.handshaking import can_offer, negotiated
from tests.protocol.libraries import serve, servers
from tests.servers import RealCluster

SERVERS = servers()
LISTS: tuple[dict[str, str], ...] = (
    {"ssl_ciphers": "HIGH:MEDIUM:+3DES:!aNULL"},
    {"ssl_min_protocol_version": "TLSv1", "ssl_ciphers": "HIGH:!aNULL"},
    {"ssl_min_protocol_version": "TLSv1", "ssl_ciphers": "DEFAULT:@SECLEVEL=0"},
    {"ssl_min_protocol_version": "TLSv1", "ssl_ciphers": "DEFAULT:@SECLEVEL=2"},
    {"ssl_ciphers": "DEFAULT:@SECLEVEL=3"},
    {"ssl_ciphers": "eNULL:@SECLEVEL=0"},
    {"ssl_ciphers": "NULL-SHA:AES128-SHA", "ssl_max_protocol_version": "TLSv1.2"},
)


def one_of_each() -> dict[str, Programs]:
    """Return one server of each library."""
    newest = {each.openssl: name for name, each in SERVERS.items()}
    return {name: SERVERS[name] for name in newest.values()}


@pytest.fixture(params=list(SERVERS.values()), ids=list(SERVERS))
def programs(request: pytest.FixtureRequest) -> Programs:
    """A server with a TLS library of its own."""
    found: Programs = request.param
    return found


@pytest.mark.parametrize("key", ["ecdsa-p256", "rsa-2048"])
def test_what_is_told_is_what_the_server_agrees_to(programs: Programs, key: str, tmp_path: Path) -> None:
    """Every profile, and lists with keywords, old versions, NULL ciphers and levels of security."""
    with RealCluster.make(tmp_path, programs.major, programs=programs) as cluster:
        serve(cluster, key)
        cluster.start()
        facts = look(cluster)
        profiles = [settings_for(ProtocolAnswers(name), programs.major, None, known(facts)) for name in ("intermediate", "modern")]
        for settings in (*profiles, *LISTS):
            cluster.set(**{"ssl_min_protocol_version": "TLSv1.2", "ssl_max_protocol_version": "", **settings})
            cluster.reload()
            offered = offer(look(cluster))
            assert told(offered, key) == negotiated(cluster.port), settings


@pytest.mark.parametrize(
    ("commands", "least", "holds"),
    [
        (("MinProtocol = TLSv1.2", "Groups = secp521r1"), "TLSv1", False),
        (("MaxProtocol = TLSv1.2",), "TLSv1.2", True),
        (("Protocol = -TLSv1.2", "Ciphersuites = TLS_AES_128_GCM_SHA256"), "TLSv1.2", True),
    ],
)
@pytest.mark.parametrize("programs", list(one_of_each().values()), ids=list(one_of_each()), indirect=True)
def test_the_hosts_openssl_cnf_counts_as_the_server_lets_it(
    programs: Programs, commands: tuple[str, ...], least: str, holds: bool, open_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What PostgreSQL sets itself overrules the file; what it leaves alone holds, and is told."""
    file = open_tmp_path / "openssl.cnf"
    file.write_text("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n" + "\n".join(commands), encoding="utf-8")
    file.chmod(0o644)
    with RealCluster.make(open_tmp_path, programs.major, programs=programs, conf={"ssl_min_protocol_version": least}) as cluster:
        serve(cluster, "ecdsa-p256")
        without = negotiated_by(cluster)
        cluster.stop()
        monkeypatch.setenv("OPENSSL_CONF", str(file))
        cluster.start()
        monkeypatch.delenv("OPENSSL_CONF")
        facts = look(cluster)
        assert facts.system_default is not None
        assert facts.system_default.in_words() == ", ".join(commands)
        assert set(facts.system_default.where.values()) == {f"{file}:{line}" for line in range(7, 7 + len(commands))}
        met = negotiated(cluster.port)
        assert told(offer(facts), "ecdsa-p256") == met
        assert (met != without) is holds


def test_a_library_is_told_by_its_own_words_and_groups(programs: Programs, tmp_path: Path) -> None:
    """The hybrid group is there from OpenSSL 3.5 on."""
    with RealCluster.make(tmp_path, programs.major, programs=programs) as cluster:
        facts = look(cluster)
        assert facts.tls_library is not None
        assert facts.tls_library.version.startswith(f"OpenSSL {programs.openssl} ")
        assert ("X25519MLKEM768" in facts.tls_library.groups) is (tuple(map(int, str(programs.openssl)[:3].split("."))) >= (3, 5))
        assert {"X25519", "prime256v1"} <= set(facts.tls_library.groups)


def test_the_library_is_never_loaded_into_our_own_process(programs: Programs, tmp_path: Path) -> None:
    with RealCluster.make(tmp_path, programs.major, programs=programs) as cluster:
        facts = look(cluster)
        place = tls_library.find(programs.program("postgres"), cluster.identity)
        assert place is not None
        assert offer(facts).suites
        assert (
            str(place.libssl.resolve()) not in Path("/proc/self/maps").read_text(encoding="utf-8")
            or programs.bin_directory.parts[1] == "usr"
        )


def test_the_program_of_the_same_version_tells_the_same() -> None:
    """The second way, where a library cannot be loaded: `openssl ciphers`, when it is of the same version."""
    fitting = [each for each in SERVERS.values() if tls_library.offers_by_program(str(each.openssl), ()) is not None]
    if not fitting:
        pytest.skip("no server here has the version of the program `openssl`")
    question = Question(ciphers="HIGH:!aNULL:eNULL", curve="prime256v1")
    place = tls_library.find(fitting[0].program("postgres"), Identity.current())
    assert place is not None
    first, second = tls_library.offers(place, (question,)), tls_library.offers_by_program(str(fitting[0].openssl), (question,))
    assert first is not None
    assert second is not None
    for key in ("ecdsa-p256", "rsa-2048"):
        assert [(suite.name, suite.tls, suite.strength) for suite in first[0].usable(key)] == [
            (suite.name, suite.tls, suite.strength) for suite in second[0].usable(key)
        ]


def look(cluster: RealCluster) -> Cluster:
    """Return the facts about a cluster."""
    return inspect(cluster.data_directory, pg_bin=cluster.programs.bin_directory)


def offer(facts: Cluster) -> Offer:
    """Return what its files come to."""
    found = offer_of(facts, ProtocolAnswers("server-default"))
    assert found is not None
    assert found.refusal is None
    return found


def known(facts: Cluster) -> tuple[str, ...]:
    """Return the groups that the server's library knows."""
    assert facts.tls_library is not None
    return facts.tls_library.groups


def told(offered: Offer, key: str) -> set[tuple[str, str]]:
    """Return the pairs of version and suite that are told, those that this test's client cannot speak left out."""
    client = can_offer()
    return {(version, suite.name) for suite in offered.usable(key) for version in suite.tls if version == "TLSv1.3" or suite.name in client}


def negotiated_by(cluster: RealCluster) -> set[tuple[str, str]]:
    """Start the server, and return what it agrees to."""
    cluster.start()
    return negotiated(cluster.port)
