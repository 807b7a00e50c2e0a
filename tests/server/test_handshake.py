"""What a raw handshake sees, whatever the server says about itself."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pgssl_wizard.server import handshake, log
from tests.servers import RealCluster
from tests.servers.certificates import make
from tests.servers.cluster import free_port


@contextmanager
def answering(reply: bytes | None) -> Iterator[int]:
    """Listen on a port and answer the first client with these bytes; None: take the connection and say nothing."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(8)
                if reply is None:
                    done.wait()
                else:
                    connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join()


def test_a_server_without_tls_declines(cluster: RealCluster) -> None:
    """And there is nothing served."""
    seen = handshake.probe("127.0.0.1", cluster.port)
    assert (seen.answer, seen.served) == ("plaintext", None)
    assert handshake.answers_tls("127.0.0.1", cluster.port) is False
    assert handshake.fetch("127.0.0.1", cluster.port) is None


def test_the_certificate_served_is_seen(cluster: RealCluster) -> None:
    """With protocol and cipher."""
    made = cluster.serve_tls("db.example.com")
    assert handshake.answers_tls("127.0.0.1", cluster.port) is True
    served = handshake.fetch("127.0.0.1", cluster.port, "db.example.com")
    assert served is not None
    assert served.sha256 == made.sha256
    assert served.protocol == "TLSv1.3"
    assert served.cipher.startswith("TLS_")
    assert [certificate.subject for certificate in served.chain] == ["CN=test server"]
    assert served.chain[0].not_after == made.certificate.not_valid_after_utc


def test_the_chain_is_seen_as_it_is_sent(cluster: RealCluster) -> None:
    """Leaf first, although nobody here trusts its root."""
    root = make("root", ca=True)
    intermediate = make("intermediate", issuer=root, ca=True)
    leaf = make("leaf", "localhost", issuer=intermediate)
    cluster.write("server.key", leaf.key_pem)
    cluster.write("server.crt", leaf.pem + intermediate.pem)
    cluster.set(ssl="on")
    cluster.reload()
    served = handshake.fetch("127.0.0.1", cluster.port)
    assert served is not None
    assert [(certificate.subject, certificate.issuer, certificate.sha256) for certificate in served.chain] == [
        ("CN=leaf", "CN=intermediate", leaf.sha256),
        ("CN=intermediate", "CN=root", intermediate.sha256),
    ]


def test_a_key_that_does_not_fit_is_found_out_although_the_setting_says_on(cluster: RealCluster) -> None:
    """SHOW ssl proves nothing."""
    cluster.write("server.crt", make("one").pem)
    cluster.write("server.key", make("other").key_pem)
    cluster.set(ssl="on")
    cluster.reload()
    assert cluster.sql("show ssl") == [("on",)]
    assert handshake.answers_tls("127.0.0.1", cluster.port) is False


def test_the_protocol_offered_can_be_limited(cluster: RealCluster) -> None:
    """So that bounds of the server can be proved."""
    cluster.serve_tls()
    old = handshake.probe("127.0.0.1", cluster.port, maximum=ssl.TLSVersion.TLSv1_2)
    assert old.served is not None
    assert old.served.protocol == "TLSv1.2"
    cluster.set(ssl_min_protocol_version="TLSv1.3")
    cluster.reload()
    refused = handshake.probe("127.0.0.1", cluster.port, maximum=ssl.TLSVersion.TLSv1_2)
    assert (refused.answer, refused.served) == ("tls", None)
    assert refused.problem is not None
    assert "protocol version" in refused.problem


def test_nobody_there_is_told_from_no_tls() -> None:
    """A port where nothing listens."""
    port = free_port()
    seen = handshake.probe("127.0.0.1", port)
    assert (seen.answer, seen.served, seen.problem) == ("nobody", None, "Connection refused")
    assert handshake.answers_tls("127.0.0.1", port) is None
    assert handshake.fetch("127.0.0.1", port) is None


@pytest.mark.parametrize(
    ("reply", "answer", "problem"),
    [
        (b"N", "plaintext", "the server declines TLS"),
        (b"", "nobody", "the connection was closed without an answer"),
        (b"H", "nobody", "this is no PostgreSQL server"),
        (b"E\0\0\0\x20SFATAL\0Msorry, too many clients already\0\0", "plaintext", "sorry, too many clients already"),
        (b"Snonsense", "tls", ""),
        (b"S", "tls", ""),
    ],
)
def test_every_answer_is_put_into_words(reply: bytes, answer: str, problem: str) -> None:
    """Also those of servers that are none."""
    with answering(reply) as port:
        seen = handshake.probe("127.0.0.1", port)
    assert (seen.answer, seen.served) == (answer, None)
    assert problem in (seen.problem or "")
    assert seen.problem


def test_a_server_that_says_nothing_is_given_up() -> None:
    """After the time allowed."""
    with answering(None) as port:
        seen = handshake.probe("127.0.0.1", port, timeout=0.1)
        assert (seen.answer, seen.problem) == ("nobody", "no answer in time")


def test_asking_leaves_no_line_in_the_servers_log(cluster: RealCluster) -> None:
    """A handshake that is cut off would be logged as a client's mistake, again and again."""
    cluster.serve_tls()
    place = log.mark(cluster.log_file)
    handshake.fetch("127.0.0.1", cluster.port)
    handshake.answers_tls("127.0.0.1", cluster.port)
    with pytest.raises(RuntimeError):
        cluster.sql("select 1", database="the next line")
    assert [message.text for message in log.messages(place)] == ['database "the next line" does not exist']
