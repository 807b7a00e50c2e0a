"""What a plan says of versions and ciphers: refusals, what costs a word, and whom it may shut out. Judged by what the library made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pgssl_wizard.change.checks import check_findings
from pgssl_wizard.cluster.facts import ServerSays, Session
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.plan.model import Plan
from pgssl_wizard.plan.serialise import dump, load, plan_to_json
from pgssl_wizard.protocol.dh import DhParameters
from pgssl_wizard.protocol.openssl_conf import SystemDefault
from pgssl_wizard.protocol.suites import Offer, Question, Refusal, TlsLibrary
from tests.plan import building
from tests.protocol.offers import VERSION, offer, suite

GOOD = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256")


def plan(offered: Offer | None, *, dh: DhParameters | None = None, more: dict[str, Any] | None = None, **given: Any) -> Plan:
    """Return the plan for this offer, profile custom when a custom answer is given."""
    custom: dict[str, Any] = {"protocol__profile": "custom"} if any(name.startswith("protocol__") for name in given) else {}
    return building.plan(building.cluster(**(more or {})), around={"offer": offered, "dh": dh}, **(custom | given))


def codes(made: Plan) -> dict[str, str]:
    """Return the findings about the protocol: severity by code."""
    return {finding.code: finding.severity for finding in made.findings if finding.topic == "protocol"}


def test_the_plan_shows_what_a_profile_expands_to() -> None:
    document = plan_to_json(plan(offer(*GOOD)))["ciphers"]
    assert document["openssl"] == VERSION
    assert document["groups"] == ["prime256v1"]
    assert [(each["name"], each["tls"], each["strength"], each["fits_key"]) for each in document["suites"][2:]] == [
        ("TLS_AES_128_GCM_SHA256", ["TLSv1.3"], "strong", True),
        ("ECDHE-ECDSA-AES128-GCM-SHA256", ["TLSv1.2"], "strong", True),
        ("ECDHE-RSA-AES128-GCM-SHA256", ["TLSv1.2"], "strong", False),
    ]
    assert plan_to_json(plan(None))["ciphers"] is None


@pytest.mark.parametrize(
    ("ciphers", "brought", "words", "hint"),
    [
        ("ALL", "ADH-AES128-GCM-SHA256", "nobody proves", "ALL:!aNULL"),
        ("COMPLEMENTOFALL:@SECLEVEL=0", "AECDH-NULL-SHA", "nobody proves", "COMPLEMENTOFALL:@SECLEVEL=0:!aNULL"),
        ("DEFAULT:@SECLEVEL=0", "RC4-SHA", "RC4", "DEFAULT:@SECLEVEL=0:!RC4"),
        ("MEDIUM:3DES", "DES-CBC3-SHA", "Sweet32", "MEDIUM:3DES:!3DES"),
        ("eNULL:!aNULL:@SECLEVEL=0", "NULL-MD5", "MD5", "eNULL:!aNULL:@SECLEVEL=0:!MD5"),
    ],
)
def test_what_a_keyword_brings_in_is_judged_and_not_the_keyword(ciphers: str, brought: str, words: str, hint: str) -> None:
    """Also when something else forbids it for now: the list still asks for it."""
    for found in (suite(brought), replace(suite(brought), tls=())):
        offered = replace(offer(*GOOD, ciphers=ciphers), suites=(*offer(*GOOD).suites, found))
        with pytest.raises(UnusableInput) as caught:
            plan(offered, protocol__ciphers=ciphers)
        assert (caught.value.code, caught.value.where) == ("weak-cipher", "protocol.ciphers")
        assert words in caught.value.message
        assert hint in str(caught.value.hint)
    assert plan(offer(*GOOD, ciphers=ciphers), protocol__ciphers=ciphers).ciphers


def test_where_nobody_can_ask_the_words_of_the_list_count() -> None:
    with pytest.raises(UnusableInput, match="without authentication"):
        plan(None, protocol__ciphers="HIGH:aNULL")
    assert plan(None, protocol__ciphers="HIGH:!aNULL").settings["ssl_ciphers"] == "HIGH:!aNULL"


@pytest.mark.parametrize(
    ("offered", "given", "code", "where"),
    [
        (offer(GOOD[1]), {"protocol__ciphers": GOOD[1]}, "no-suite-for-key", "protocol.ciphers"),
        (
            replace(offer(), suites=(*offer().suites, replace(suite("ECDHE-ECDSA-NULL-SHA"), tls=()))),
            {"protocol__ciphers": "NULL"},
            "no-suite-for-key",
            "protocol.ciphers",
        ),
        (
            offer("ECDHE-ECDSA-NULL-SHA", maximum="TLSv1.2", level=0),
            {"protocol__ciphers": "eNULL", "protocol__maximum": "TLSv1.2"},
            "no-usual-client",
            "protocol.maximum",
        ),
        (replace(offer(), suites=()), {"protocol__maximum": "TLSv1.2"}, "no-version-left", "protocol.maximum"),
        (
            replace(offer(), refusal=Refusal("groups", "ECDH: unrecognized curve name: x")),
            {"protocol__groups": "x"},
            "openssl-refuses",
            "protocol.groups",
        ),
    ],
)
def test_settings_with_which_clients_could_not_connect_are_refused(offered: Offer, given: dict[str, Any], code: str, where: str) -> None:
    with pytest.raises(Refused) as caught:
        plan(offered, **given)
    assert (caught.value.code, caught.value.where) == (code, where)


def test_tls_13_alone_needs_no_suite_of_tls_12() -> None:
    assert "no-suite-for-key" not in codes(plan(offer(minimum="TLSv1.3"), protocol__minimum="TLSv1.3"))


@pytest.mark.parametrize(
    ("offered", "given", "code"),
    [
        (offer("ECDHE-ECDSA-NULL-SHA", level=0, ciphers="eNULL"), {"protocol__ciphers": "eNULL"}, "null-ciphers"),
        (offer(*GOOD, minimum="TLSv1", level=0), {"protocol__minimum": "TLSv1"}, "weak-protocol"),
        (offer(*GOOD, minimum="TLSv1.1"), {"protocol__minimum": "TLSv1.1"}, "weak-protocol"),
    ],
)
def test_null_ciphers_and_old_versions_are_applied_only_when_accepted(offered: Offer, given: dict[str, Any], code: str) -> None:
    made = plan(offered, **given)
    assert made.weaknesses == (code,)
    assert codes(made)[code] == "warning"
    for each in (made, load(dump(made), "plan")):
        with pytest.raises(Refused) as caught:
            check_findings(each, accept_lock_out=True)
        assert caught.value.code == code
        assert "--accept-weak" in str(caught.value.hint)
        check_findings(each, accept_lock_out=False, accept_weak=True)


def test_old_versions_that_the_library_does_not_offer_are_told() -> None:
    made = plan(offer(*GOOD, minimum="TLSv1"), protocol__minimum="TLSv1")
    said = next(finding for finding in made.findings if finding.code == "version-not-offered")
    assert "TLS 1.0 and TLS 1.1" in said.message
    assert "@SECLEVEL=0" in said.message


def test_words_that_bring_in_nothing_are_told() -> None:
    made = plan(replace(offer(*GOOD), idle=("ECDHE-ECDSA-AES128-GCM-SHA265",)), protocol__ciphers="x")
    assert codes(made)["cipher-word-idle"] == "warning"


def test_what_the_host_forbids_is_a_warning_and_no_refusal() -> None:
    """An administrator who lets no TLS 1.2 pass on the host means it."""
    host = SystemDefault(
        Path("/etc/ssl/openssl.cnf"), {"Protocol": "-TLSv1.2", "MinProtocol": "TLSv1"}, {"Protocol": "/etc/ssl/openssl.cnf:9"}
    )
    offered = replace(offer(), suites=(*offer().suites, *(replace(suite(name), tls=()) for name in GOOD)))
    made = plan(offered, more={"system_default": host})
    assert codes(made)["version-not-offered"] == "warning"
    said = next(finding for finding in made.findings if finding.code == "openssl-conf")
    assert (said.severity, said.where) == ("warning", "/etc/ssl/openssl.cnf:9")
    assert "holds for this server too: Protocol = -TLSv1.2" in said.message
    assert "MinProtocol (by ssl_min_protocol_version)" in said.message


@pytest.mark.parametrize(
    ("version", "cipher", "named"),
    [
        ("TLSv1", "AES128-SHA", True),
        ("TLSv1.2", "AES128-SHA", True),
        ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", False),
        ("TLSv1.3", "TLS_AES_128_CCM_SHA256", False),
    ],
)
def test_sessions_that_use_what_goes_away_are_named_and_not_counted_as_locked_out(version: str, cipher: str, named: bool) -> None:
    """The server serves an ECDSA key; a client that takes a suite takes it with either kind of key. What else it can do, nobody knows."""
    session = Session("app", "app", "billing", "10.0.0.7", tls=True, tls_version=version, cipher=cipher)
    said = ServerSays("postgres", superuser=True, in_recovery=False, sessions=(session,))
    made = plan(offer(GOOD[0]), more={"server": said})
    assert ("may-not-connect" in codes(made)) is named
    assert made.locked_out == ()
    if named:
        finding = next(finding for finding in made.findings if finding.code == "may-not-connect")
        assert (
            f"app from 10.0.0.7 (billing; TLS {version.removeprefix('TLSv').replace('1', '1.0') if version == 'TLSv1' else '1.2'}"
            in finding.message
        )
        assert ("protocol version" if version == "TLSv1" else "handshake failure") in str(finding.hint)


def test_the_groups_of_a_profile_are_those_that_the_library_knows() -> None:
    """Also where it is new enough for the post-quantum group and built without it."""
    for groups, wanted in (
        (("X25519MLKEM768", "X25519", "prime256v1"), "X25519MLKEM768:X25519:prime256v1"),
        (("prime256v1",), "prime256v1"),
    ):
        library = TlsLibrary("OpenSSL 3.5.1 1 Jul 2025", groups=groups)
        made = building.plan(building.cluster(major=18, tls_library=library, openssl_version="3.5.1"), around={"offer": offer(*GOOD)})
        assert made.settings["ssl_groups"] == wanted
        assert ("no-hybrid-group" in codes(made)) is ("MLKEM" not in wanted)


def test_parameters_that_would_keep_the_server_from_starting_are_refused() -> None:
    """Named as they stand; told when no suite uses them."""
    named: dict[str, Any] = {"protocol__dh_params": "/srv/dh.pem"}
    with pytest.raises(Refused, match="would not start"):
        plan(offer(*GOOD), dh=DhParameters(problem="It does not exist, and the server would not start."), **named)
    made = plan(offer(*GOOD), dh=DhParameters(2048), **named)
    assert made.settings["ssl_dh_params_file"] == "/srv/dh.pem"
    assert codes(made)["dh-params-unused"] == "info"


def test_a_hosts_level_of_security_that_postgresqls_own_parameters_do_not_reach_is_refused() -> None:
    library = TlsLibrary(VERSION, level=3)
    with pytest.raises(Refused, match="dh key too small"):
        plan(offer(*GOOD, level=3), more={"tls_library": library})
    made = plan(offer(*GOOD, level=3), dh=DhParameters(3072), more={"tls_library": library}, protocol__dh_params="/srv/dh.pem")
    assert "ssl_dh_params_file" in made.settings


def test_another_expansion_is_another_plan() -> None:
    """A saved plan holds what its lists came to, and its hash rests on that."""
    first, second = plan(offer(*GOOD)), plan(offer(GOOD[0]))
    assert first.hash != second.hash
    assert first.ciphers is not None
    assert first.ciphers.offer.asked == Question(curve="prime256v1")


@pytest.mark.parametrize("profile", ["server-default", "custom"])
def test_a_broken_list_that_stood_idle_is_refused_when_tls_is_turned_on(profile: str) -> None:
    """Clients that live with it already are another matter."""
    weak = offer(*GOOD, "ECDHE-ECDSA-DES-CBC3-SHA")
    given: dict[str, Any] = {"protocol__profile": profile}
    with pytest.raises(Refused, match="Sweet32") as caught:
        building.plan(building.cluster(), around={"offer": weak}, **given)
    assert caught.value.code == "broken-suites"
    assert caught.value.where in {"protocol.profile", "protocol.ciphers"}
    on = building.cluster({building.CONF: building.INITDB_CONF + "ssl = on\n"})
    assert codes(building.plan(on, around={"offer": weak}, **given))["broken-suites"] == "warning"


def test_a_list_without_encryption_that_stood_idle_costs_a_word_when_tls_is_turned_on() -> None:
    idle = offer(*GOOD, "ECDHE-ECDSA-NULL-SHA", minimum="TLSv1", level=0)
    off, on = (
        building.cluster({building.CONF: f"{building.INITDB_CONF}ssl = {value}\nssl_min_protocol_version = 'TLSv1'\n"})
        for value in ("off", "on")
    )
    given: dict[str, Any] = {"protocol__profile": "server-default"}
    made = building.plan(off, around={"offer": idle}, **given)
    assert made.weaknesses == ("null-ciphers", "weak-protocol")
    assert building.plan(on, around={"offer": idle}, **given).weaknesses == ()
