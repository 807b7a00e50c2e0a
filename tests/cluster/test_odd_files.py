"""Whatever stands in a cluster's files, looking at it ends in facts or in a sentence, never in a defect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgssl_wizard.cli.json_out import cluster_to_json
from pgssl_wizard.cluster.discover import describe
from pgssl_wizard.cluster.inspect import inspect
from pgssl_wizard.errors import WizardError
from tests.cluster.test_layout import a_data_directory

_PIECES = st.sampled_from(
    [
        b"ssl", b" = ", b"on", b"'", b"''", b"\\", b"\n", b"\r\n", b"\r", b"#", b"\0", b"\xff", b"\xef\xbb\xbf", b"include ", b"include_dir ",
        b"'.'", b"'postgresql.conf'", b"'/'", b"ssl_cert_file", b"ssl_key_file", b"ssl_ca_file", b"'/dev/null'", b"'/dev/zero'", b"'\\000'",
        b"listen_addresses", b"'*,::,\x7f'", b"hba_file", b"data_directory", b"host all all all trust", b"local", b" @pg_hba.conf ", b"\t", b",",
        b"hostssl a b 1.2.3.4/32 cert clientcert=verify-full map=x", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    ]
)  # fmt: skip
_CONTENT = st.lists(st.one_of(_PIECES, st.binary(max_size=6)), max_size=12).map(b"".join)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory for which there are no programs."""
    return a_data_directory(tmp_path_factory.mktemp("odd") / "data", "17")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conf=_CONTENT, auto=_CONTENT, hba=_CONTENT, ident=_CONTENT, certificate=_CONTENT)
def test_any_bytes_in_any_file(directory: Path, conf: bytes, auto: bytes, hba: bytes, ident: bytes, certificate: bytes) -> None:
    """Both for the list and for the whole inspection; what was found can be written as JSON."""
    for name, data in {
        "postgresql.conf": conf,
        "postgresql.auto.conf": auto,
        "pg_hba.conf": hba,
        "pg_ident.conf": ident,
        "server.crt": certificate,
        "server.key": certificate,
    }.items():
        (directory / name).write_bytes(data)
    describe(directory)
    try:
        seen = inspect(directory)
    except WizardError:
        return
    json.dumps(cluster_to_json(seen))
    assert all(finding.message for finding in seen.findings)


@settings(max_examples=40, deadline=None)
@given(version=st.one_of(st.binary(max_size=12), st.sampled_from([b"17", b" 17\n", b"17.0", b"-17", b"1e1"])))
def test_any_bytes_for_a_version(directory: Path, version: bytes) -> None:
    """A version, or a refusal."""
    before = (directory / "PG_VERSION").read_bytes()
    (directory / "PG_VERSION").write_bytes(version)
    try:
        assert describe(directory).version in {"", "13", "14", "15", "16", "17", "18", "19"}
    finally:
        (directory / "PG_VERSION").write_bytes(before)


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=30))
def test_any_text_for_a_path(text: str) -> None:
    """What somebody types."""
    assert describe(Path(text)).problem is not None or describe(Path(text)).version
