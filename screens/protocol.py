"""Step 6: TLS versions and ciphers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from pgssl_wizard.errors import WizardError
from pgssl_wizard.protocol.profiles import WORDS, settings_for
from pgssl_wizard.screens.form import FormStep
from pgssl_wizard.screens.step import Meaning
from pgssl_wizard.screens.text import as_ascii, line, lines, wrap
from pgssl_wizard.screens.widgets.fields import Choice, TextField
from pgssl_wizard.screens.widgets.options import Option, Options

_OPTIONS = (
    Option("intermediate", "Intermediate", "recommended: TLS 1.2 and 1.3, good ciphers"),
    Option("modern", "Modern", "TLS 1.3 only"),
    Option("server-default", "The server's own", "PostgreSQL's built-in lists"),
    Option("custom", "Your own", "each setting as you write it"),
)
_CUSTOM = ("minimum", "maximum", "ciphers", "tls13", "groups", "prefer")


class ProtocolStep(FormStep):
    """Which TLS versions and ciphers?"""

    KEY = "protocol"
    TITLE = "Which TLS versions and ciphers?"
    SENTENCE = "Mozilla's guideline 6.0, as settings of this version."
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = ()
    FIELDS: ClassVar[Mapping[str, str]] = {
        "minimum": "protocol.minimum",
        "maximum": "protocol.maximum",
        "ciphers": "protocol.ciphers",
        "tls13": "protocol.tls13_ciphers",
        "groups": "protocol.groups",
        "prefer": "protocol.prefer_server_ciphers",
    }

    def fields(self) -> ComposeResult:
        answers = (self.app.journey.answers or self.app.journey.complete()).protocol
        cluster = self.app.journey.cluster
        major = cluster.major if cluster else 18
        yield Options(_OPTIONS, answers.profile, id="profiles", classes="first")
        versions = [("", "as it is"), ("TLSv1.2", "TLS 1.2"), ("TLSv1.3", "TLS 1.3")]
        yield Choice("Lowest version", versions, self.value_of("protocol.minimum"), id="minimum")
        yield Choice("Highest version", [("", "any"), *versions[1:]], self.value_of("protocol.maximum"), id="maximum")
        yield TextField("Ciphers of TLS 1.2", self.value_of("protocol.ciphers"), id="ciphers", placeholder="as it is")
        yield TextField(
            "Suites of TLS 1.3",
            self.value_of("protocol.tls13_ciphers"),
            id="tls13",
            placeholder="as it is",
            classes="" if major >= 18 else "-never",
        )
        yield TextField("Groups" if major >= 18 else "Curve", self.value_of("protocol.groups"), id="groups", placeholder="as it is")
        prefers = [("True", "the server"), ("False", "the client")]
        yield Choice("Who chooses", prefers, self.value_of("protocol.prefer_server_ciphers"), id="prefer")
        yield Static(id="list", markup=False)

    def on_mount(self) -> None:
        self._show_custom()

    def _show_custom(self) -> None:
        custom = self.query_one(Options).current.value == "custom"
        for field in _CUSTOM:
            widget = self.query_one(f"#{field}")
            widget.set_class(not custom or widget.has_class("-never"), "-gone")

    def on_options_highlighted(self) -> None:
        self._show_custom()
        self.complain("")
        self.redraw_meaning()
        self.redraw_body()

    def _settings(self) -> dict[str, str]:
        journey = self.app.journey
        cluster, profile = journey.cluster, self.query_one(Options).current.value
        if cluster is None or profile == "custom":
            return {}
        from dataclasses import replace  # noqa: PLC0415

        protocol = replace((journey.answers or journey.complete()).protocol, profile=profile)  # type: ignore[arg-type]
        try:
            return settings_for(protocol, cluster.major, cluster.openssl_version)
        except WizardError:
            return {}

    def redraw_body(self) -> None:
        cluster = self.app.journey.cluster
        width = self.body_width()
        rows = [line("")]
        settings = self._settings()
        for name, value in settings.items():
            texts = wrap(value.replace(":", ": "), width - 2) if value else ["any"]
            rows.append(line((name, "$pg-primary")))
            rows += [line("  ", (text.replace(": ", ":"), "$pg-fg")) for text in texts]
        if not settings and self.query_one(Options).current.value == "server-default" and cluster:
            rows.append(line(("ssl_ciphers  ", "$pg-primary"), cluster.value("ssl_ciphers")))
            rows.append(line(("ssl_min_protocol_version  ", "$pg-primary"), cluster.value("ssl_min_protocol_version")))
        if cluster and cluster.openssl_version:
            rows += [line(""), line((f"The server runs with OpenSSL {cluster.openssl_version}.", "$pg-muted"))]
        rows += self.finding_lines(width)
        content = lines(rows)
        self.query_one("#list", Static).update(as_ascii(content) if self.app.ascii else content)

    def commit(self) -> str | None:
        journey = self.app.journey
        profile = self.query_one(Options).current.value
        if profile != (journey.answers or journey.complete()).protocol.profile:
            journey.answer("protocol.profile", profile, "the step Protocol")
        if profile != "custom":
            journey.take_back(*self.FIELDS.values())
            return None
        problem = self._check()
        if problem:
            return problem
        from pgssl_wizard.protocol.profiles import check_custom  # noqa: PLC0415

        assert journey.cluster is not None
        try:
            check_custom(journey.complete().protocol, journey.cluster.major)
        except WizardError as error:
            return f"{error.message} {error.hint or ''}".strip()
        return None

    def meaning(self) -> Meaning:
        words = WORDS[self.query_one(Options).current.value]
        return Meaning(words.label, words.get, words.cost, words.clients)

    def in_words(self) -> str:
        return WORDS[self.query_one(Options).current.value].versions
