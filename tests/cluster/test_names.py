"""The names and addresses that are offered for the certificate."""

from __future__ import annotations

import ipaddress
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pgssl_wizard.certificates.names import parse_name
from pgssl_wizard.cluster import addresses, names
from pgssl_wizard.cluster.addresses import InterfaceAddress, interface_addresses
from pgssl_wizard.cluster.facts import CertificateFact, FoundName, Setting
from pgssl_wizard.cluster.names import found_names, full_name, listen_entries


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    full_name.cache_clear()
    yield
    full_name.cache_clear()


def listening(value: str, ssl: str = "off") -> dict[str, Setting]:
    """Settings with this listen_addresses."""
    return {"listen_addresses": Setting("listen_addresses", value), "ssl": Setting("ssl", ssl)}


def certificate(*texts: str, path: str = "/data/server.crt") -> CertificateFact:
    """A server certificate for these names."""
    now = datetime.now(UTC)
    return CertificateFact("server", Path(path), "CN=x", "CN=x", texts, now, now, "00", "ecdsa-p256")


def by_name(found: tuple[FoundName, ...]) -> dict[str, FoundName]:
    """The names as a dictionary."""
    return {each.name: each for each in found}


@pytest.fixture
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a name, two addresses outside, one inside and a passing one."""
    monkeypatch.setattr(socket, "gethostname", lambda: "DB1")
    monkeypatch.setattr(socket, "getfqdn", lambda _: "db1.example.com")
    everything = (
        InterfaceAddress("192.168.1.5", "eth0"),
        InterfaceAddress("2001:db8::5", "eth0"),
        InterfaceAddress("2001:db8::dead", "eth0", lasting=False),
        InterfaceAddress("172.17.0.1", "docker0"),
    )
    monkeypatch.setattr(names, "interface_addresses", lambda: everything)


@pytest.mark.usefixtures("_machine")
def test_host_names_loopback_and_what_is_listened_on_are_recommended() -> None:
    """Everything once, best first, in the spelling of certificates."""
    found = by_name(found_names(listening("*"), ()))
    assert list(found)[:2] == ["db1.example.com", "db1"]
    recommended = {name for name, each in found.items() if each.recommended}
    assert recommended == {"db1.example.com", "db1", "192.168.1.5", "2001:db8::5", "localhost", "127.0.0.1", "::1"}
    assert {"172.17.0.1", "2001:db8::dead"} <= set(found)


@pytest.mark.usefixtures("_machine")
def test_addresses_that_the_server_does_not_listen_on_are_offered_and_not_recommended() -> None:
    """By family, too."""
    assert not by_name(found_names(listening("localhost"), ()))["192.168.1.5"].recommended
    four = by_name(found_names(listening("0.0.0.0"), ()))  # noqa: S104 - what it means is the point
    assert (four["192.168.1.5"].recommended, four["2001:db8::5"].recommended) == (True, False)
    named = by_name(found_names(listening('localhost, 192.168.1.5, "pg.internal", ::1'), ()))
    assert (named["192.168.1.5"].recommended, named["192.168.1.5"].why) == (True, "listen_addresses")
    assert named["pg.internal"].recommended
    assert not named["2001:db8::5"].recommended


@pytest.mark.usefixtures("_machine")
def test_names_of_the_present_certificate_stay_unless_it_is_the_snakeoil_one() -> None:
    """A failover name that somebody thought of once is not lost; one of a certificate not in use is only offered."""
    found = by_name(found_names(listening("*", "on"), (certificate("failover.example.com", "bad name", "https://x"),)))
    assert found["failover.example.com"].recommended
    assert not any(" " in name or "/" in name for name in found)
    assert not by_name(found_names(listening("*"), (certificate("failover.example.com"),)))["failover.example.com"].recommended
    snakeoil = certificate("host.at.install", path="/etc/ssl/certs/ssl-cert-snakeoil.pem")
    assert "host.at.install" not in by_name(found_names(listening("*", "on"), (snakeoil,)))


def test_a_host_name_that_no_certificate_can_hold_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes anything."""
    monkeypatch.setattr(socket, "gethostname", lambda: "my host!")
    monkeypatch.setattr(socket, "getfqdn", lambda host: host)
    for each in found_names(listening("*"), ()):
        assert parse_name(each.name).text == each.name


def test_a_resolver_that_does_not_answer_does_not_hold_us_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on in the background, and the name is simply not offered."""
    release = threading.Event()
    answered = threading.Event()

    def slow(host: str) -> str:
        release.wait(60)
        answered.set()
        return f"{host}.example.com"

    monkeypatch.setattr(socket, "getfqdn", slow)
    assert full_name("db1") is None
    assert not answered.is_set()
    release.set()
    assert answered.wait(60)


def test_every_address_of_this_machine_is_found() -> None:
    """The same as the system's own tool finds."""
    ip = shutil.which("ip")
    if ip is None:
        pytest.skip("needs the program ip")
    listed = subprocess.run([ip, "-o", "addr"], capture_output=True, text=True, check=True).stdout
    expected = set()
    for name, text in re.findall(r"^\d+: (\S+)\s+inet6? ([0-9a-f.:]+)", listed, re.MULTILINE):
        address = ipaddress.ip_address(text)
        if not address.is_loopback and not address.is_link_local:
            expected.add((str(address), name))
    assert {(each.text, each.interface) for each in interface_addresses()} == expected


def test_without_the_kernels_list_the_address_towards_the_outside_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """On other systems and in sandboxes."""

    def closed() -> Iterator[InterfaceAddress]:
        raise PermissionError

    listed = {each.text for each in interface_addresses()}
    monkeypatch.setattr(addresses, "_of_kernel", closed)
    assert {each.text for each in interface_addresses()} <= listed


@pytest.mark.parametrize(
    ("value", "entries"),
    [("", ()), ("*", ("*",)), (" a , b,", ("a", "b")), ('"a","::1"', ("a", "::1"))],
)
def test_listen_addresses_is_read_as_the_server_reads_it(value: str, entries: tuple[str, ...]) -> None:
    """A comma list, blanks and quotes allowed."""
    assert listen_entries(value) == entries
