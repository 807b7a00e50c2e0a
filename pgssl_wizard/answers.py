"""Every question once: key, type, default, help, limits.

The screens, the answers file, `--set key=value` and the help text all come from here. What a person gave is `Given`;
`complete` joins it with what the wizard recommends for a cluster to `Answers`, which has no gaps.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pgssl_wizard.certificates.profiles import KeyType
from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.known_clients import NamedClient, parse, to_table
from pgssl_wizard.rule_answers import DEMANDS, Certificates, MapAnswer, RuleAnswer
from pgssl_wizard.toml_lines import key_lines

T = TypeVar("T")
P = TypeVar("P", Path, Path | None)

KeyPassphrase = Literal["none", "command", "prompt"]
Source = Literal["self-signed", "new-ca", "existing-ca", "request", "import"]
ProtocolProfile = Literal["modern", "intermediate", "server-default", "custom"]
Encryption = Literal["optional", "required"]


@dataclass(frozen=True, slots=True)
class ServerAnswers:
    """`[server]`: every name and address that clients connect to."""

    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateAnswers:
    """`[certificate]`: where it comes from, its key, how long it lives; directories are absolute here."""

    source: Source = "new-ca"
    key: KeyType = "ecdsa-p256"
    days: int = 365
    ca_directory: Path = Path("ca")
    ca_name: str = "PostgreSQL CA"
    ca_days: int = 3650
    intermediate: bool = False
    intermediate_days: int = 1825
    passphrase: KeyPassphrase = "none"
    passphrase_command: str = ""
    passphrase_reload: bool = True
    encrypt_ca_key: bool = False
    ca_passphrase_command: str = ""
    ca_certificate: Path | None = None
    ca_key: Path | None = None
    request_file: Path | None = None
    import_certificate: tuple[Path, ...] = ()
    import_key: Path | None = None
    import_passphrase_command: str = ""


@dataclass(frozen=True, slots=True)
class FileAnswers:
    """`[files]`: where things go; paths are absolute here, `settings` None where they take effect."""

    certificate: Path = Path("server.crt")
    key: Path = Path("server.key")
    ca: Path = Path("root.crt")
    crl: Path | None = None
    crl_dir: Path | None = None
    key_owner: Literal["server", "root"] = "server"
    key_group: str = ""
    settings: Path | None = None


@dataclass(frozen=True, slots=True)
class ProtocolAnswers:
    """`[protocol]`: a profile, or with `custom` each setting."""

    profile: ProtocolProfile = "intermediate"
    minimum: str = ""
    maximum: str = ""
    ciphers: str = ""
    tls13_ciphers: str = ""
    groups: str = ""
    prefer_server_ciphers: bool = True
    dh_params: Path | None = None


@dataclass(frozen=True, slots=True)
class ClientAnswers:
    """`[clients]`: who must use TLS, who must show a certificate, and whose certificates count."""

    encryption: Encryption = "required"
    certificates: Certificates = "none"
    ca: Path | None = None
    roles: tuple[str, ...] = ()
    directory: Path = Path("clients")
    known: tuple[NamedClient, ...] = ()
    name: Literal["CN", "DN"] = "CN"
    maps: tuple[MapAnswer, ...] = ()
    rule: tuple[RuleAnswer, ...] = ()

    @property
    def checked(self) -> bool:
        """Whether the server looks at the certificates of clients at all, by any rule."""
        return self.certificates != "none" or any(each.certificates not in {None, "none"} for each in self.rule)

    @property
    def demanded(self) -> bool:
        """Whether any rule lets nobody in without a certificate."""
        return self.certificates in DEMANDS or any(each.certificates in DEMANDS for each in self.rule)


@dataclass(frozen=True, slots=True)
class Answers:
    """A complete set of answers for one cluster."""

    server: ServerAnswers = field(default_factory=ServerAnswers)
    certificate: CertificateAnswers = field(default_factory=CertificateAnswers)
    files: FileAnswers = field(default_factory=FileAnswers)
    protocol: ProtocolAnswers = field(default_factory=ProtocolAnswers)
    clients: ClientAnswers = field(default_factory=ClientAnswers)


@dataclass(frozen=True, slots=True)
class Given:
    """What a person answered, by dotted key, still as TOML values; anything absent is left to the recommendation.

    Attributes:
        values: `{"certificate.days": 90}`.
        where: for each key `answers.toml:12`, `--set` or the step it was typed on, for error messages.
        base: what relative paths (other than those under `[files]`) mean.
    """

    values: Mapping[str, object] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    base: Path = field(default_factory=Path.cwd)

    def with_value(self, key: str, value: object, where: str) -> Given:
        """Return the same with one answer put in, or replaced."""
        return replace(self, values={**self.values, key: value}, where={**self.where, key: where})

    def without(self, *keys: str) -> Given:
        """Return the same with these answers left to the recommendation again."""
        return replace(self, values={key: value for key, value in self.values.items() if key not in keys})


QuestionType = Literal["string", "strings", "integer", "boolean", "choice", "path", "paths", "tables"]


@dataclass(frozen=True, slots=True)
class Question:
    """One key of the answers file.

    Attributes:
        key: dotted, as in `--set`.
        kind: the TOML type; `path` and `paths` are strings that name files.
        help: one line.
        default: what it is when nobody says; None where the recommendation for the cluster decides.
        choices: for `choice`.
        minimum, maximum: for `integer`.
        texts: for `tables`, whether a text may stand for a table.
        parts: for `tables`, the keys that each of them may have, dotted like the others.
        needed: the parts that each table must have.
    """

    key: str
    kind: QuestionType
    help: str
    default: object = None
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    texts: bool = False
    parts: tuple[Question, ...] = ()
    needed: tuple[str, ...] = ()


QUESTIONS: Mapping[str, Question] = {
    question.key: question
    for question in (
        Question("server.names", "strings", "every name and address that clients connect to"),
        Question(
            "certificate.source",
            "choice",
            "where the server's certificate comes from",
            "new-ca",
            ("self-signed", "new-ca", "existing-ca", "request", "import"),
        ),
        Question(
            "certificate.key",
            "choice",
            "the type of the server's key, and of a new CA's",
            "ecdsa-p256",
            ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"),
        ),
        Question("certificate.days", "integer", "how long the server certificate lives", 365, minimum=1, maximum=36500),
        Question(
            "certificate.passphrase",
            "choice",
            "of the server key",
            "none",
            ("none", "command", "prompt"),
        ),
        Question("certificate.passphrase_command", "string", "prints the passphrase", ""),
        Question("certificate.passphrase_reload", "boolean", "whether the command also runs at a reload", True),
        Question("certificate.ca_directory", "path", "where the CA's certificates and keys lie; never in a data directory", "ca"),
        Question("certificate.ca_name", "string", "the CA's common name", "PostgreSQL CA"),
        Question("certificate.ca_days", "integer", "how long the root lives", 3650, minimum=1, maximum=36500),
        Question("certificate.intermediate", "boolean", "root -> intermediate -> server instead of root -> server", False),
        Question("certificate.intermediate_days", "integer", "how long the intermediate lives", 1825, minimum=1, maximum=36500),
        Question("certificate.encrypt_ca_key", "boolean", "a passphrase for the CA's keys", False),
        Question("certificate.ca_passphrase_command", "string", "prints the passphrase of the CA's key", ""),
        Question(
            "certificate.ca_certificate", "path", "existing-ca: its certificate, where not in ca_directory; its issuers behind it", ""
        ),
        Question("certificate.ca_key", "path", "existing-ca: its key, where not beside its certificate", ""),
        Question("certificate.request_file", "path", "request: where the request goes; empty: server.csr", ""),
        Question("certificate.import_certificate", "paths", "import: PEM, DER or PKCS#12", ()),
        Question("certificate.import_key", "path", "import: the key", ""),
        Question("certificate.import_passphrase_command", "string", "import: prints the passphrase", ""),
        Question("files.certificate", "path", "the server certificate with its chain"),
        Question("files.key", "path", "the server's key"),
        Question("files.ca", "path", "ssl_ca_file: whose client certificates count"),
        Question("files.crl", "path", "ssl_crl_file", ""),
        Question("files.crl_dir", "path", "ssl_crl_dir", ""),
        Question("files.key_owner", "choice", "server: 0600; root: 0640 with key_group", "server", ("server", "root")),
        Question("files.key_group", "string", "the group that may read a key owned by root", ""),
        Question("files.settings", "path", "the file that gets the settings; empty: where they take effect", ""),
        Question(
            "protocol.profile", "choice", "TLS versions and ciphers", "intermediate", ("modern", "intermediate", "server-default", "custom")
        ),
        Question("protocol.minimum", "string", "custom: ssl_min_protocol_version", ""),
        Question("protocol.maximum", "string", "custom: ssl_max_protocol_version", ""),
        Question("protocol.ciphers", "string", "custom: ssl_ciphers (TLS 1.2)", ""),
        Question("protocol.tls13_ciphers", "string", "custom: ssl_tls13_ciphers (18 and newer)", ""),
        Question("protocol.groups", "string", "custom: ssl_groups, or ssl_ecdh_curve before 18", ""),
        Question("protocol.prefer_server_ciphers", "boolean", "custom: ssl_prefer_server_ciphers", True),
        Question("protocol.dh_params", "path", "custom: ssl_dh_params_file", ""),
        Question(
            "clients.encryption",
            "choice",
            "whether plaintext over TCP is still let in; by default refused unless somebody is known to come that way",
            None,
            ("optional", "required"),
        ),
        Question(
            "clients.certificates",
            "choice",
            "what clients must show",
            "none",
            get_args(Certificates),
        ),
        Question("clients.name", "choice", "what of a certificate names the role; DN since 14", "CN", ("CN", "DN")),
        Question("clients.ca", "path", "PEM for ssl_ca_file when it is not our own CA", ""),
        Question("clients.roles", "strings", "a client certificate for each", ()),
        Question("clients.directory", "path", "where the kits go", "clients"),
        Question(
            "clients.known",
            "tables",
            "clients to be thought of: USER@DATABASE/ADDRESS (no address: the socket), or tables",
            (),
            texts=True,
            parts=(
                Question("clients.known.user", "string", "the role that it comes as"),
                Question("clients.known.database", "string", "empty: the one named like the role"),
                Question("clients.known.address", "string", "where it comes from; empty: the socket"),
                Question("clients.known.tls", "boolean", "absent: TLS where it is offered, as libpq does by itself"),
                Question("clients.known.replication", "boolean", "physical replication"),
                Question("clients.known.certificate", "string", "the common name of the certificate that it shows"),
            ),
            needed=("user",),
        ),
        Question(
            "clients.maps",
            "tables",
            "pg_ident entries",
            (),
            parts=(
                Question("clients.maps.map", "string", "the map's name"),
                Question("clients.maps.system_user", "string", "the name in the certificate, or /expression"),
                Question("clients.maps.role", "string", "the role that it may be"),
            ),
            needed=("map", "system_user", "role"),
        ),
        Question(
            "clients.rule",
            "tables",
            "what differs for one rule",
            (),
            parts=(
                Question("clients.rule.match", "string", "the rule's words as in the file"),
                Question("clients.rule.file", "string", "the file, when several hold the same line"),
                Question(
                    "clients.rule.encryption", "choice", "whether plaintext is still let in by it", None, ("leave", "optional", "required")
                ),
                Question(
                    "clients.rule.certificates",
                    "choice",
                    "what clients must show",
                    None,
                    get_args(Certificates),
                ),
                Question("clients.rule.map", "string", "the map that translates names"),
            ),
            needed=("match",),
        ),
    )
}

#: Keys that count only with `protocol.profile = "custom"`.
CUSTOM_ONLY = tuple(key for key in QUESTIONS if key.startswith("protocol.") and key != "protocol.profile")


def read_file(path: Path) -> Given:
    """Return what an answers file says.

    Raises:
        UnusableInput: it cannot be read, is no TOML, or holds an unknown key or a value of the wrong kind; names the line.
    """
    import tomllib  # noqa: PLC0415 - only when there is a file

    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UnusableInput(f"The answers file cannot be read: {reason}.", where=str(path), code="unreadable-file") from error
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # tomllib's own errors are ValueErrors; a number of 5000 digits is one too
        found = re.search(r"\(at line (\d+)", str(error))
        line = found.group(1) if found else text.rstrip("\n").count("\n") + 1
        message = re.sub(r"\s*\(at .*\)$", "", str(error))
        raise UnusableInput(f"This is no TOML: {message}.", where=f"{path}:{line}", code="bad-toml") from error
    lines = key_lines(text)

    def where(key: str) -> str:
        line = lines.get(key)
        return f"{path}:{line}" if line else str(path)

    _check_version(document.pop("version", 1), where("version"))
    values: dict[str, object] = {}
    for section, content in document.items():
        if not any(key.startswith(f"{section}.") for key in QUESTIONS):
            raise _unknown(section, where(section))
        if not isinstance(content, dict):
            raise UnusableInput(
                f"{section} must be a table.", where=where(section), hint=f"Write [{section}], and its keys below.", code="wrong-type"
            )
        for name, value in content.items():
            key = f"{section}.{name}"
            values[key] = _checked(key, value, where)
    return Given(values, {key: where(key) for key in values}, path.resolve().parent)


def parse_set(assignments: Sequence[str], given: Given) -> Given:
    """Return `given` with `key=value` words of the command line put on top.

    Raises:
        UnusableInput: no `=`, an unknown key, or a value of the wrong kind.
    """
    import tomllib  # noqa: PLC0415

    for number, assignment in enumerate(assignments, start=1):
        key, equals, text = assignment.partition("=")
        key = key.strip()
        where = f"--set {assignment}" + (f" (number {number} of {len(assignments)})" if len(assignments) > 1 else "")
        if not equals or not key:
            raise UnusableInput(
                f"“{assignment}” is no key=value.", where=where, hint="For example: --set certificate.days=90", code="bad-set"
            )
        value: object
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            value = text
        if key == "version":
            _check_version(value, where)
            continue
        question = QUESTIONS.get(key)
        if question and (question.kind in {"strings", "paths"} or question.texts) and not isinstance(value, list):
            value = [part.strip() for part in (value if isinstance(value, str) else text).split(",") if part.strip()]
        if question and question.kind in {"string", "choice", "path"} and not isinstance(value, str):
            value = text
        given = given.with_value(key, _checked(key, value, lambda _, where=where: where), where)  # type: ignore[misc]
    return given


def complete(given: Given, recommended: Answers, data_directory: Path) -> Answers:
    """Return a full set of answers: what was given, else what is recommended.

    Args:
        given: what a person said.
        recommended: for this cluster, without gaps.
        data_directory: what relative paths under `[files]` mean.

    Raises:
        UnusableInput: values that do not fit together; names the line.
    """

    def value_of(key: str, otherwise: T) -> T:
        return given.values.get(key, otherwise)  # type: ignore[return-value]  # _checked saw to the kind

    def path_of(key: str, otherwise: P, base: Path) -> Path | P:
        value = given.values.get(key)
        return Path(os.path.normpath(base / str(value))) if value else otherwise

    def strings_of(key: str, otherwise: tuple[str, ...]) -> tuple[str, ...]:
        value = given.values.get(key)
        return tuple(value) if isinstance(value, list | tuple) else otherwise

    def paths_of(key: str, otherwise: tuple[Path, ...]) -> tuple[Path, ...]:
        if key not in given.values:
            return otherwise
        return tuple(Path(os.path.normpath(given.base / each)) for each in strings_of(key, ()))

    certificate, files, protocol, clients = recommended.certificate, recommended.files, recommended.protocol, recommended.clients
    answers = Answers(
        server=ServerAnswers(strings_of("server.names", recommended.server.names)),
        certificate=CertificateAnswers(
            source=value_of("certificate.source", certificate.source),
            key=value_of("certificate.key", certificate.key),
            days=value_of("certificate.days", certificate.days),
            ca_directory=path_of("certificate.ca_directory", certificate.ca_directory, given.base),
            ca_name=value_of("certificate.ca_name", certificate.ca_name),
            ca_days=value_of("certificate.ca_days", certificate.ca_days),
            intermediate=value_of("certificate.intermediate", certificate.intermediate),
            intermediate_days=value_of("certificate.intermediate_days", certificate.intermediate_days),
            passphrase=value_of("certificate.passphrase", certificate.passphrase),
            passphrase_command=value_of("certificate.passphrase_command", certificate.passphrase_command),
            passphrase_reload=value_of("certificate.passphrase_reload", certificate.passphrase_reload),
            encrypt_ca_key=value_of("certificate.encrypt_ca_key", certificate.encrypt_ca_key),
            ca_passphrase_command=value_of("certificate.ca_passphrase_command", certificate.ca_passphrase_command),
            ca_certificate=path_of("certificate.ca_certificate", certificate.ca_certificate, given.base),
            ca_key=path_of("certificate.ca_key", certificate.ca_key, given.base),
            request_file=path_of("certificate.request_file", certificate.request_file, given.base),
            import_certificate=paths_of("certificate.import_certificate", certificate.import_certificate),
            import_key=path_of("certificate.import_key", certificate.import_key, given.base),
            import_passphrase_command=value_of("certificate.import_passphrase_command", certificate.import_passphrase_command),
        ),
        files=FileAnswers(
            certificate=path_of("files.certificate", files.certificate, data_directory),
            key=path_of("files.key", files.key, data_directory),
            ca=path_of("files.ca", files.ca, data_directory),
            crl=path_of("files.crl", files.crl, data_directory),
            crl_dir=path_of("files.crl_dir", files.crl_dir, data_directory),
            key_owner=value_of("files.key_owner", files.key_owner),
            key_group=value_of("files.key_group", files.key_group),
            settings=path_of("files.settings", files.settings, data_directory),
        ),
        protocol=ProtocolAnswers(
            profile=value_of("protocol.profile", protocol.profile),
            minimum=value_of("protocol.minimum", protocol.minimum),
            maximum=value_of("protocol.maximum", protocol.maximum),
            ciphers=value_of("protocol.ciphers", protocol.ciphers),
            tls13_ciphers=value_of("protocol.tls13_ciphers", protocol.tls13_ciphers),
            groups=value_of("protocol.groups", protocol.groups),
            prefer_server_ciphers=value_of("protocol.prefer_server_ciphers", protocol.prefer_server_ciphers),
            dh_params=path_of("protocol.dh_params", protocol.dh_params, given.base),
        ),
        clients=ClientAnswers(
            encryption=value_of("clients.encryption", clients.encryption),
            certificates=value_of("clients.certificates", clients.certificates),
            ca=path_of("clients.ca", clients.ca, given.base),
            roles=strings_of("clients.roles", clients.roles),
            directory=path_of("clients.directory", clients.directory, given.base),
            name=value_of("clients.name", clients.name),
            maps=tuple(MapAnswer(**each) for each in given.values.get("clients.maps", ())),  # type: ignore[attr-defined]
            rule=tuple(RuleAnswer(**each) for each in given.values.get("clients.rule", ())),  # type: ignore[attr-defined]
            known=_clients_of(given.values["clients.known"]) if "clients.known" in given.values else clients.known,
        ),
    )
    # Looked at only when there is something to look at; the first frame has no answers yet.
    from pgssl_wizard.answers_together import check_together  # noqa: PLC0415

    check_together(answers, given, data_directory)
    return answers


def to_toml(answers: Answers) -> str:
    """Return the answers file that makes the same plan again, with a comment on each key; paths are absolute."""
    import tomlkit  # noqa: PLC0415 - only when somebody saves

    document = tomlkit.document()
    document.add(tomlkit.comment("Answers for pgssl-wizard: pgssl-wizard apply DATADIR -a THIS-FILE"))
    document.add("version", tomlkit.item(1))
    values = flat(answers)
    sections: dict[str, Any] = {}
    for key, value in values.items():
        if key in CUSTOM_ONLY and answers.protocol.profile != "custom":
            continue
        section, _, name = key.partition(".")
        if section not in sections:
            sections[section] = tomlkit.table()
            document.add(tomlkit.nl())
            document.add(section, sections[section])
        item = tomlkit.item(list(value) if isinstance(value, tuple) else value)
        if QUESTIONS[key].kind == "tables":  # each on a line of its own; a table in brackets would swallow the keys behind it
            item = tomlkit.array()
            for one in value:
                table = tomlkit.inline_table()
                table.update(one)
                item.append(table)
            item.multiline(len(value) > 1)
        item.comment(QUESTIONS[key].help)
        sections[section].add(name, item)
    return tomlkit.dumps(document)


def flat(answers: Answers) -> dict[str, Any]:
    """Return the answers by dotted key, as TOML values; empty for a path that is not set."""
    result: dict[str, Any] = {}
    for section in ("server", "certificate", "files", "protocol", "clients"):
        part = getattr(answers, section)
        for each in fields(part):
            value = getattr(part, each.name)
            if value is None:
                value = ""
            if isinstance(value, tuple):
                value = tuple(_plain(one) for one in value)
            result[f"{section}.{each.name}"] = str(value) if isinstance(value, Path) else value
    return result


def _plain(one: object) -> object:
    if isinstance(one, NamedClient):
        return to_table(one)
    return one.to_table() if isinstance(one, RuleAnswer | MapAnswer) else str(one)


def _checked(key: str, value: object, where: Callable[[str], str]) -> object:
    question = QUESTIONS.get(key)
    if question is None:
        raise _unknown(key, where(key))
    _check_kind(question, key, value, where)
    if question.kind == "tables":
        for number, table in enumerate(value if isinstance(value, list) else []):
            place = f"{key}[{number}]"
            if not (question.texts and isinstance(table, str)):
                _check_table(question, place, table, where)
            if key == "clients.known":
                _check_client(table, where(place))
    return value


def _check_kind(question: Question, key: str, value: object, where: Callable[[str], str]) -> None:
    """Refuse a value of the wrong kind; `key` is its place, for lists with the number of an element."""

    def wrong(wanted: str, place: str = key) -> UnusableInput:
        return UnusableInput(f"{question.key} must be {wanted}.", where=where(place), hint=_in_words(question), code="wrong-type")

    if question.kind in {"string", "path"}:
        if not isinstance(value, str):
            raise wrong("a text in quotes")
        if "\n" in value or "\0" in value:
            raise wrong("one line of text")
    elif question.kind == "choice":
        if value not in question.choices:
            raise wrong("one of " + ", ".join(question.choices))
    elif question.kind == "boolean":
        if not isinstance(value, bool):
            raise wrong("true or false")
    elif question.kind == "integer":
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong("a whole number")
        if not (question.minimum or 0) <= value <= (question.maximum or value):
            raise wrong(f"from {question.minimum} to {question.maximum}")
    elif question.kind in {"strings", "paths"}:
        if not isinstance(value, list | tuple):
            raise wrong("a list of texts in quotes")
        for number, one in enumerate(value):
            if not isinstance(one, str):
                raise wrong("a list of texts in quotes", f"{key}[{number}]")
    elif not isinstance(value, list):
        raise wrong("a list of tables")


def _check_table(question: Question, place: str, table: object, where: Callable[[str], str]) -> None:
    """Refuse a table of a list that has an unknown key, a value of the wrong kind, or not all that it needs."""
    if not isinstance(table, dict):
        raise UnusableInput(f"{question.key} must be a list of tables.", where=where(place), hint=_in_words(question), code="wrong-type")
    parts = {part.key.rpartition(".")[2]: part for part in question.parts}
    for name, value in table.items():
        if name not in parts:
            raise _unknown(f"{question.key}.{name}", where(f"{place}.{name}"), question.parts)
        _check_kind(parts[name], f"{place}.{name}", value, where)
    missing = next((name for name in question.needed if name not in table), None)
    if missing is not None:
        message = f"{question.key}.{missing} is missing: {parts[missing].help}."
        raise UnusableInput(message, where=where(place), code="missing-key")


def _clients_of(values: Any) -> tuple[NamedClient, ...]:
    return tuple(parse(each) for each in values)


def _check_client(value: Any, where: str) -> None:
    try:
        parse(value)
    except ValueError as error:
        hint = "For example: app@appdb/10.0.0.5"
        raise UnusableInput(f"clients.known: {error}.", where=where, hint=hint, code="bad-client") from error


def _check_version(version: object, where: str) -> None:
    if type(version) is not int or version != 1:  # true and 1.0 are equal to 1
        raise UnusableInput(f"Answers of version {version!r} are unknown; this program reads version 1.", where=where, code="bad-version")


def _unknown(key: str, where: str, questions: Iterable[Question] | None = None) -> UnusableInput:
    """Return the objection to a key that there is not, with the nearest one that there is."""
    known = {question.key: question for question in questions or QUESTIONS.values()}
    below = [each for each in known if each.startswith(f"{key}.")]
    if below:
        return UnusableInput(f"{key} is a table, and no key.", where=where, hint=f"Its keys are {', '.join(below)}.", code="unknown-key")
    sections = {each.partition(".")[0] for each in known} if questions is None else set()
    near = difflib.get_close_matches(key, [*known, *sorted(sections)], 1)
    if not near and "." not in key:  # only the last part may have been written
        names = {each.rpartition(".")[2]: each for each in reversed(known)}
        near = [names[name] for name in difflib.get_close_matches(key, list(names), 1)]
    if not near:
        listed = "pgssl-wizard plan --help lists the keys." if questions is None else f"There are {', '.join(known)}."
        return UnusableInput(f"There is no key {key}.", where=where, hint=listed, code="unknown-key")
    question = known.get(near[0])
    about = f"{near[0]}: {question.help}." if question else None
    return UnusableInput(f"There is no key {key}. Did you mean {near[0]}?", where=where, hint=about, code="unknown-key")


def _in_words(question: Question) -> str:
    return f"{question.help[0].upper()}{question.help[1:]}."
