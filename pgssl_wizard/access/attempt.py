"""One connection attempt, as the server knows it when it looks for a rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

#: Bytes of a name that count; the rest is cut off (NAMEDATALEN as servers are packaged; only the first minor versions of 17 did not).
_NAME_BYTES = 63
#: No name of so few characters is longer than that.
_SURELY_SHORT = _NAME_BYTES // 4


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What a client shows.

    Attributes:
        cn: its first CN, exactly; empty when its subject has none.
        dn: its subject as RFC 2253, as `openssl x509 -nameopt RFC2253` prints it; empty when the subject is; None when it is not known,
            and then taken to fit.
        trusted: `ssl_ca_file` vouches for it now: signed, not expired, not revoked.
    """

    cn: str
    dn: str | None = None
    trusted: bool = True


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection attempt.

    Attributes:
        database: as the client named it; empty means the one named like the user.
        user: the role that it wants to be.
        address: of the client, numeric; None means the Unix socket, over which there is neither TLS nor GSS encryption.
        tls, gss: how the session is encrypted.
        certificate: what the client shows; only over TLS.
        replication: a physical walsender, which has no database.
        roles: every role that the user is a member of, directly or indirectly.
        host_name: what the look-up of its address brings; that name is taken to lead back to the address.
        exists: there is such a role; without one, nobody is a member of anything, not even of itself.
    """

    database: str
    user: str
    address: str | None = None
    tls: bool = False
    gss: bool = False
    certificate: ClientCertificate | None = None
    replication: bool = False
    roles: tuple[str, ...] = ()
    host_name: str | None = None
    exists: bool = True


#: Kinds of session, as `session_of` numbers them.
SOCKET, PLAINTEXT, TLS, GSS, BOTH = range(5)
#: Which of them a rule of each type takes: `hostnossl` looks at TLS alone, and so takes GSS encryption in.
SESSIONS: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        "local": frozenset({SOCKET}),
        "host": frozenset({PLAINTEXT, TLS, GSS, BOTH}),
        "hostssl": frozenset({TLS, BOTH}),
        "hostnossl": frozenset({PLAINTEXT, GSS}),
        "hostgssenc": frozenset({GSS, BOTH}),
        "hostnogssenc": frozenset({PLAINTEXT, TLS}),
    }
)


def session_of(attempt: Attempt) -> int:
    """Return the kind of session: over the socket a server takes neither TLS nor GSS encryption."""
    if attempt.address is None:
        return SOCKET
    return PLAINTEXT + attempt.tls + 2 * attempt.gss


def arrived(attempt: Attempt) -> Attempt:
    """Return the attempt as it is when the server looks for a rule: the database filled in, names cut to their length.

    Source: ProcessStartupPacket of 13 to 19.
    """
    database, user = attempt.database, attempt.user
    if (database or attempt.replication) and len(database) <= _SURELY_SHORT and len(user) <= _SURELY_SHORT:
        return attempt
    database, user = _cut(database or user), _cut(user)
    if attempt.replication or (database == attempt.database and user == attempt.user):
        return attempt if user == attempt.user else replace(attempt, user=user)
    return replace(attempt, database=database, user=user)


def _cut(name: str) -> str:
    if len(name) <= _SURELY_SHORT:
        return name
    try:
        data = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Surrogates that stand for no byte: no client can send them.
        return name
    return name if len(data) <= _NAME_BYTES else data[:_NAME_BYTES].decode("utf-8", "surrogateescape")
