"""What the server's log says of a connection: received, authenticated, authorized; in every language that it speaks.

The words are those of the message catalogues of PostgreSQL (`postgres-15.mo` of each language); the order of the parts comes from
postmaster.c, auth.c and postinit.c of 13 to 18 and is the same in all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["received", "authenticated", "authorized", "replication"]

#: What stands before the first `=` of a message, by language.
_HEADS: dict[str, Kind] = {
    "connection received: host": "received",
    "Verbindung empfangen: Host": "received",
    "conexión recibida: host": "received",
    "connexion reçue : hôte": "received",
    "connessione ricevuta: host": "received",
    "接続を受け付けました: ホスト": "received",
    "შემოსული დაკავშირება: ჰოსტი": "received",
    "접속 수락: host": "received",
    "принято подключение: узел": "received",
    "ansluting mottagen: värd": "received",
    "з'єднання отримано: хост": "received",
    "已接收到连接: 主机": "received",
    "connection authenticated: identity": "authenticated",
    "Verbindung authentifiziert: Identität": "authenticated",
    "conexión autenticada: identidad": "authenticated",
    "connexion authentifiée : identité": "authenticated",
    "connessione autenticata: identity": "authenticated",
    "接続認証完了: 識別名": "authenticated",
    "მიერთება ავთენტიფიცირებულია: იდენტიფიკატორი": "authenticated",
    "연결 인증됨: 식별자": "authenticated",
    "соединение аутентифицировано: идентификатор": "authenticated",
    "anslutning autentiserad: identitet": "authenticated",
    "підключення автентифіковано: ідентифікатор": "authenticated",
    "connection authorized: user": "authorized",
    "Verbindung autorisiert: Benutzer": "authorized",
    "conexión autorizada: usuario": "authorized",
    "connexion autorisée : utilisateur": "authorized",
    "connessione autorizzata: utente": "authorized",
    "接続の認証完了: ユーザー": "authorized",
    "შეერთება ავტორიზებულია: მომხმარებელი": "authorized",
    "연결 인증: user": "authorized",
    "подключение авторизовано: пользователь": "authorized",
    "anslutning auktoriserad: användare": "authorized",
    "підключення авторизовано: користувач": "authorized",
    "已授权连接: user": "authorized",
    "replication connection authorized: user": "replication",
    "Replikationsverbindung autorisiert: Benutzer": "replication",
    "conexión de replicación autorizada: usuario": "replication",
    "connexion de réplication autorisée : utilisateur": "replication",
    "connessione di replica autorizzata: utente": "replication",
    "レプリケーション接続の認証完了: ユーザー": "replication",
    "რეპლიკაციის შეერთება ავტორიზებულია: მომხმარებელი": "replication",
    "복제 연결 인증: user": "replication",
    "подключение для репликации авторизовано: пользователь": "replication",
    "replikeringsanslutning auktoriserad: användare": "replication",
    "підключення для реплікації авторизовано: користувач": "replication",
    "复制连接已经授权: 用户": "replication",
}

# Swedish has lost the blank before the word, French and Italian the sign after it.
_DATABASE = re.compile(r" (?:database|Datenbank|base_de_datos|データベース|ბაზა|база)=| base de données | database |databas=")
_APPLICATION = re.compile(r" (?:application_name|nombre_de_aplicación|აპლიკაციის_სახელი|приложение|applikationsnamn)=")

#: ` SSL enabled (protocol=TLSv1.3, cipher=…, bits=256)` at the end, in any language: a client may write the like into its
#: application_name, but what stands last is the server's own.
_ENCRYPTED = re.compile(r"(?: connessione)? ?SSL ?\w+ ?\([^()=:]*(?:=| ?: )(?:SSLv3|TLSv1(?:\.\d)?)[,、][^()]*\)$")
_GSS = re.compile(r" ?GSS \([^=()]+=(?P<authenticated>[^,()]+), [^=()]+=(?P<encrypted>[^,()]+)(?:, (?P<more>[^()]*))?\)$")
_YES = frozenset({"yes", "ja", "sí", "oui", "sì", "はい", "დიახ", "да", "так"})
_IDENTITY = re.compile(r"=[\"»«](?P<identity>.*)[\"«»] [^=\s]+=(?P<method>[a-z0-9-]+)(?: \(.*\))?$")
_HOST = re.compile(r"=(?P<host>\S+?)(?: [^=\s]+=(?P<port>\d+))?$")

#: What ends a session right after it was authorized (postinit.c): it has met its rule, and did not get in.
_NOT_IN = re.compile(
    r'^database ".*" does not exist|^role ".*" is not permitted to log in|^too many connections for|^permission denied for database'
    r"|is not currently accepting connections|^cannot connect to invalid database|^remaining connection slots|^must be "
    r"|permission to (?:connect|start WAL sender)"
)
NOT_IN_STATES = frozenset({"28000", "28P01", "3D000", "42501", "53300", "55000"})

#: How the catalogues call the level FATAL.
FATAL = frozenset({"FATAL", "FATALE", "ფატალური", "치명적오류", "ВАЖНО", "FATALT", "ФАТАЛЬНО", "致命错误"})


@dataclass(frozen=True, slots=True)
class Said:
    """What one message says.

    Attributes:
        kind: which message it is; `replication` is an authorized walsender.
        host: of `received`: an address, a name, or `[local]`.
        user, database, application: of the authorized; None for a part that the message does not have.
        tls, gss: whether the session is encrypted so.
        identity, method: of `authenticated`: who the method found it to be.
    """

    kind: Kind
    host: str = ""
    user: str = ""
    database: str | None = None
    application: str = ""
    tls: bool = False
    gss: bool = False
    identity: str = ""
    method: str = ""


def kind_of(message: str) -> Kind | None:
    """Return which message of a connection this is, None for any other."""
    head, sign, _ = message.partition("=")
    return _HEADS.get(head) if sign else None


def read(message: str) -> Said | None:
    """Return what a message says of a connection, None when it is about something else."""
    kind = kind_of(message)
    if kind is None:
        return None
    start = message.index("=")
    if kind == "received":
        found = _HOST.match(message, start)
        return Said(kind, host=found["host"]) if found else None
    if kind == "authenticated":
        found = _IDENTITY.match(message, start)
        return Said(kind, identity=found["identity"], method=found["method"]) if found else None
    return _authorized(kind, message[start + 1 :])


def did_not_get_in(message: str) -> bool:
    """Whether this message, right after a session was authorized, says that it was turned away all the same."""
    return _NOT_IN.search(message) is not None


@lru_cache(maxsize=10_000)
def _authorized(kind: Kind, rest: str) -> Said:
    gss = False
    found = _GSS.search(rest)
    if found:
        # With a principal the first word is a yes, in whatever language.
        gss = found["encrypted"] in _YES or (bool(found["more"]) and found["encrypted"] == found["authenticated"])
        rest = rest[: found.start()]
    encrypted = _ENCRYPTED.search(rest)
    if encrypted is not None:
        rest = rest[: encrypted.start()]
    named = _APPLICATION.search(rest)
    application = rest[named.end() :] if named else ""
    rest = rest[: named.start()] if named else rest
    at = _DATABASE.search(rest) if kind == "authorized" else None
    user, database = (rest[: at.start()], rest[at.end() :]) if at else (rest, None)
    return Said(kind, user=user, database=database, application=application, tls=encrypted is not None, gss=gss)
