"""Step 6: TLS versions and ciphers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import Worker, WorkerState

from pgssl_wizard.answers import ProtocolAnswers
from pgssl_wizard.errors import WizardError
from pgssl_wizard.findings import Finding
from pgssl_wizard.protocol.profiles import WORDS, settings_for
from pgssl_wizard.screens.form import FormStep
from pgssl_wizard.screens.step import Meaning
from pgssl_wizard.screens.text import as_ascii, fit, line, lines, wrap
from pgssl_wizard.screens.widgets.fields import Choice, TextField
from pgssl_wizard.screens.widgets.options import Option, Options

if TYPE_CHECKING:
    from pgssl_wizard.plan.protocol import Preview

_OPTIONS = (
    Option("intermediate", "Intermediate", "recommended: TLS 1.2 and 1.3, good ciphers"),
    Option("modern", "Modern", "TLS 1.3 only"),
    Option("server-default", "The server's own", "the settings as they stand"),
    Option("custom", "Your own", "each setting as you write it"),
)
_CUSTOM = ("minimum", "maximum", "ciphers", "tls13", "groups", "prefer", "dh")
_OLD = " · costs typed words"
_VERSIONS = (
    ("TLSv1.2", "TLS 1.2"),
    ("TLSv1.3", "TLS 1.3"),
    ("TLSv1", f"TLS 1.0{_OLD}"),
    ("TLSv1.1", f"TLS 1.1{_OLD}"),
)
_STRENGTHS = {
    "strong": ("strong", "$pg-ok"),
    "sound": ("sound", "$pg-fg"),
    "weak": ("weak", "$pg-warn"),
    "none": ("no encryption", "$pg-err"),
    "broken": ("broken", "$pg-err"),
}


class ProtocolStep(FormStep):
    """Which TLS versions and ciphers?"""

    KEY = "protocol"
    TITLE = "Which TLS versions and ciphers?"
    SENTENCE = "Mozilla's guideline 6.0, as settings of this version."
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = (("PgDn", "the list"),)
    FIELDS: ClassVar[Mapping[str, str]] = {
        "minimum": "protocol.minimum",
        "maximum": "protocol.maximum",
        "ciphers": "protocol.ciphers",
        "tls13": "protocol.tls13_ciphers",
        "groups": "protocol.groups",
        "prefer": "protocol.prefer_server_ciphers",
        "dh": "protocol.dh_params",
    }

    def __init__(self) -> None:
        super().__init__()
        self._asked: ProtocolAnswers | None = None
        self._preview: Preview | None = None

    def fields(self) -> ComposeResult:
        answers = (self.app.journey.answers or self.app.journey.complete()).protocol
        cluster = self.app.journey.cluster
        major = cluster.major if cluster else 18
        yield Options(_OPTIONS, answers.profile, id="profiles", classes="first")
        versions = [("", "as it is"), *_VERSIONS]
        yield Choice("Lowest version", versions, self.value_of("protocol.minimum"), id="minimum")
        yield Choice("Highest version", [("", "any"), *_VERSIONS], self.value_of("protocol.maximum"), id="maximum")
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
        yield TextField("DH parameters", self.value_of("protocol.dh_params"), id="dh", placeholder="PostgreSQL's own, 2048 bits")
        yield Static(id="list", markup=False)

    def on_mount(self) -> None:
        self._show_custom()
        self._look()

    @property
    def _custom(self) -> bool:
        return self.query_one(Options).current.value == "custom"

    def _show_custom(self) -> None:
        for field in _CUSTOM:
            widget = self.query_one(f"#{field}")
            widget.set_class(not self._custom or widget.has_class("-never"), "-gone")

    def on_options_highlighted(self) -> None:
        self._show_custom()
        self.complain("")
        self._look()
        self.redraw_meaning()
        self.redraw_body()

    def on_choice_changed(self) -> None:
        self._look()
        super().on_choice_changed()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._look()
        super().on_input_changed(event)

    # What it comes to -----------------------------------------------------------------------------------------------

    def _typed(self) -> ProtocolAnswers:
        """Return the answers as they stand on the screen."""
        profile = self.query_one(Options).current.value
        if profile != "custom":
            return ProtocolAnswers(profile=profile)  # type: ignore[arg-type]
        named = self.typed("dh")
        return ProtocolAnswers(
            profile="custom",
            minimum=self.typed("minimum"),
            maximum=self.typed("maximum"),
            ciphers=self.typed("ciphers"),
            tls13_ciphers=self.typed("tls13"),
            groups=self.typed("groups"),
            prefer_server_ciphers=self.typed("prefer") == "True",
            dh_params=Path(os.path.normpath(self.app.journey.given.base / named)) if named else None,
        )

    def _look(self) -> None:
        """Have the server's library asked what it makes of the answers; on a screen nothing waits for that."""
        journey = self.app.journey
        typed = self._typed()
        if journey.cluster is None or typed == self._asked:
            return
        self._asked, self._preview = typed, None
        # An Enter waits until its own answers are judged.
        self.ready = not self._custom
        answers = replace(journey.answers or journey.complete(), protocol=typed)
        self.run_worker(
            lambda: journey.preview_protocol(answers),
            thread=True,
            exclusive=True,
            exit_on_error=False,
            name="protocol",
            description="ciphers",
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.name != "protocol" or event.state not in {WorkerState.SUCCESS, WorkerState.ERROR}:
            return
        waited, self.ready = not self.ready, True
        self._preview = event.worker.result if event.state == WorkerState.SUCCESS else None
        self.redraw_body()
        # An Enter that waits may be meant for a later screen.
        if self.open and self.is_current and waited:
            self.app.release_enter(self.accept)

    def findings(self) -> list[Finding]:
        """What the plan would say comes before what is known of the cluster; the settings that a profile replaces are not told twice."""
        said = list(self._preview.findings) if self._preview else []
        return [*said, *(super().findings() if self.query_one(Options).current.value in {"server-default", "custom"} else [])]

    def redraw_body(self) -> None:
        width = self.body_width()
        rows = [Content("")]
        preview = self._preview
        if preview is not None and preview.objection is not None:
            error = preview.objection
            texts = wrap(error.with_hint, width - 2)
            rows += [line(("✗ " if number == 0 else "  ", "$pg-err"), text) for number, text in enumerate(texts)]
        elif preview is not None:
            rows += self.finding_lines(width)
            rows += self._suites(preview, width)
        rows += self._settings(width)
        content = lines(rows)
        self.query_one("#list", Static).update(as_ascii(content) if self.app.ascii else content)

    def _suites(self, preview: Preview, width: int) -> list[Content]:
        """Return what is offered, a suite a line."""
        cluster = self.app.journey.cluster
        if preview.ciphers is None:
            version = f" (OpenSSL {cluster.openssl_version})" if cluster and cluster.openssl_version else ""
            return [
                line((text, "$pg-muted"))
                for text in wrap(f"The server's library{version} cannot be asked here what this expands to.", width)
            ]
        offer, usable = preview.ciphers.offer, preview.ciphers.usable
        library = " ".join(offer.library.split()[:2])
        rows = [line((f"{library} offers {len(usable)} suites to your key:", "bold $pg-bright"))]
        told = [(_STRENGTHS[suite.strength], f"TLS {', '.join(version.removeprefix('TLSv') for version in suite.tls)}") for suite in usable]
        room = [
            max((len(text) for text in column), default=0) + 2 for column in ([word for (word, _), _ in told], [text for _, text in told])
        ]
        for suite, ((word, style), versions) in zip(usable, told, strict=True):
            rows.append(line("  ", (fit(word, room[0]), style), (fit(versions, room[1]), "$pg-muted"), suite.name))
        if offer.groups:
            rows += [line((text, "$pg-muted")) for text in wrap(f"Groups: {', '.join(offer.groups)}", width)]
        return rows

    def _settings(self, width: int) -> list[Content]:
        """Return the settings that the profile writes."""
        cluster, profile = self.app.journey.cluster, self.query_one(Options).current.value
        if cluster is None or profile == "custom":
            return []
        if profile == "server-default":
            names = ("ssl_ciphers", "ssl_min_protocol_version")
            return [Content(""), *(line((f"{name}  ", "$pg-primary"), cluster.value(name)) for name in names)]
        known = cluster.tls_library.groups if cluster.tls_library else ()
        try:
            settings = settings_for(self._typed(), cluster.major, cluster.openssl_version, known)
        except WizardError:
            return []
        rows = [Content("")]
        for name, value in settings.items():
            rows.append(line((name, "$pg-primary")))
            texts = wrap(value.replace(":", ": "), width - 2) if value else ["any"]
            rows += [line("  ", (text.replace(": ", ":"), "$pg-fg")) for text in texts]
        return rows

    # Going on -------------------------------------------------------------------------------------------------------

    def accept(self) -> None:
        """Accept; what was typed just now is judged first."""
        if self._custom and self._typed() != self._asked:
            self._look()
            self.app.enters_waiting += 1
            return
        super().accept()

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
        error = self._preview.objection if self._preview else None
        return error.with_hint if error else None

    def meaning(self) -> Meaning:
        words = WORDS[self.query_one(Options).current.value]
        return Meaning(words.label, words.get, words.cost, words.clients)

    def in_words(self) -> str:
        return WORDS[self.query_one(Options).current.value].versions
