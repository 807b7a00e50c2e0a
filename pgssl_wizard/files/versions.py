"""What each major version knows: TLS settings, authentication methods and options. The one place for such differences.

Source: guc_tables.c and hba.c of the releases, tried on 13 to 18.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OLDEST = 13
NEWEST = 19

Kind = Literal["bool", "string", "enum", "integer"]


@dataclass(frozen=True, slots=True)
class KnownSetting:
    """One setting: its default when no file sets it, and the majors that know it."""

    name: str
    default: str
    kind: Kind = "string"
    since: int = OLDEST
    until: int = NEWEST
    restart: bool = False


_TLS = (
    KnownSetting("ssl", "off", "bool"),
    KnownSetting("ssl_cert_file", "server.crt"),
    KnownSetting("ssl_key_file", "server.key"),
    KnownSetting("ssl_ca_file", ""),
    KnownSetting("ssl_crl_file", ""),
    KnownSetting("ssl_crl_dir", "", since=14),
    KnownSetting("ssl_ciphers", "HIGH:MEDIUM:+3DES:!aNULL"),
    KnownSetting("ssl_tls13_ciphers", "", since=18),
    KnownSetting("ssl_prefer_server_ciphers", "on", "bool"),
    KnownSetting("ssl_ecdh_curve", "prime256v1", until=17),
    KnownSetting("ssl_groups", "X25519:prime256v1", since=18),
    KnownSetting("ssl_min_protocol_version", "TLSv1.2", "enum"),
    KnownSetting("ssl_max_protocol_version", "", "enum"),
    KnownSetting("ssl_dh_params_file", ""),
    KnownSetting("ssl_passphrase_command", ""),
    KnownSetting("ssl_passphrase_command_supports_reload", "off", "bool"),
    KnownSetting("ssl_sni", "off", "bool", since=19),
)

_NEIGHBOURS = (
    KnownSetting("listen_addresses", "localhost", restart=True),
    KnownSetting("port", "5432", "integer", restart=True),
    KnownSetting("unix_socket_directories", "/tmp", restart=True),  # noqa: S108 - PostgreSQL's own default
    KnownSetting("hba_file", "", restart=True),
    KnownSetting("ident_file", "", restart=True),
    KnownSetting("password_encryption", "scram-sha-256"),
    KnownSetting("log_connections", "off"),
    KnownSetting("logging_collector", "off", "bool", restart=True),
    KnownSetting("log_directory", "log"),
    KnownSetting("log_filename", "postgresql-%Y-%m-%d_%H%M%S.log"),
)

#: The old name of a setting, still understood by newer majors: `ssl_ecdh_curve` in 18.
RENAMED = {"ssl_ecdh_curve": ("ssl_groups", 18)}


def tls_settings(major: int) -> tuple[KnownSetting, ...]:
    """Return every `ssl…` setting that this major knows."""
    return tuple(setting for setting in _TLS if setting.since <= major <= setting.until)


def neighbour_settings(major: int) -> tuple[KnownSetting, ...]:
    """Return the other settings that decide how TLS is reached; `password_encryption` was md5 in 13."""
    if major > OLDEST:
        return _NEIGHBOURS
    return tuple(KnownSetting("password_encryption", "md5") if s.name == "password_encryption" else s for s in _NEIGHBOURS)


def current_name(name: str, major: int) -> str:
    """Return the name under which this major knows a setting, lower case."""
    lowered = name.lower()
    renamed = RENAMED.get(lowered)
    return renamed[0] if renamed and major >= renamed[1] else lowered


_METHODS = ("trust", "reject", "password", "md5", "scram-sha-256", "gss", "sspi", "ident", "peer", "pam", "bsd", "ldap", "cert")

#: Which methods take an option; None: every method.
_OPTION_METHODS: dict[str, tuple[str, ...] | None] = {
    "clientcert": None,
    "clientname": None,
    "map": ("ident", "peer", "gss", "sspi", "cert", "oauth"),
    "pamservice": ("pam",),
    "pam_use_hostname": ("pam",),
    "include_realm": ("gss", "sspi"),
    "krb_realm": ("gss", "sspi"),
    "compat_realm": ("sspi",),
    "upn_username": ("sspi",),
    **{
        f"ldap{name}": ("ldap",)
        for name in (
            [
                "url",
                "tls",
                "scheme",
                "server",
                "port",
                "binddn",
                "bindpasswd",
                "searchattribute",
                "searchfilter",
                "basedn",
                "prefix",
                "suffix",
            ]
        )
    },
    **{f"radius{name}": ("radius",) for name in ("servers", "ports", "secrets", "identifiers")},
    **dict.fromkeys(("issuer", "scope", "validator", "delegate_ident_mapping"), ("oauth",)),
}


def methods(major: int) -> frozenset[str]:
    """Return the authentication methods of a server built with every option."""
    extra = (["radius"] if major <= 18 else []) + (["oauth"] if major >= 18 else [])
    return frozenset((*_METHODS, *extra))


def option_methods(name: str, major: int) -> tuple[str, ...] | Literal[False] | None:
    """Return which methods take the option `name`: None for all, False when this major does not know it."""
    if name not in _OPTION_METHODS:
        return False
    if name == "clientname" and major < 14:
        return False
    allowed = _OPTION_METHODS[name]
    if allowed == ("oauth",) and major < 18:
        return False
    if allowed == ("radius",) and major > 18:
        return False
    if name == "map" and major < 18:
        return ("ident", "peer", "gss", "sspi", "cert")
    return allowed


def map_methods_in_words(major: int) -> str:
    """Return the list of methods that the server names when `map` stands beside another."""
    return "ident, peer, gssapi, sspi, cert, and oauth" if major >= 18 else "ident, peer, gssapi, sspi, and cert"
