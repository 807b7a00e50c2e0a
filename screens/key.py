"""Step 4: the type of the key, and how long things live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.events import DescendantBlur
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from pgssl_wizard.certificates.describe import KEY_WORDS
from pgssl_wizard.cluster.standing import Imported
from pgssl_wizard.screens import brought
from pgssl_wizard.screens.form import FormStep
from pgssl_wizard.screens.step import Meaning
from pgssl_wizard.screens.text import as_ascii, line, lines, wrap
from pgssl_wizard.screens.widgets.fields import Choice, TextField

_MEANINGS = {
    "ecdsa-p256": ("small and fast, as strong as RSA 3072", "nothing", "any TLS 1.2 client of the last ten years"),
    "ecdsa-p384": ("more than anybody can break", "some milliseconds a connection", "any TLS 1.2 client of the last ten years"),
    "rsa-2048": ("the widest reach, to very old clients", "slower handshakes than ECDSA", "anything that speaks TLS 1.2"),
    "rsa-3072": ("RSA as strong as P-256", "slower handshakes still", "anything that speaks TLS 1.2"),
    "rsa-4096": ("more RSA than policies ask for", "the slowest handshakes, and seconds to make", "anything that speaks TLS 1.2"),
}


_KEPT = (("False", "not encrypted: keep them offline"), ("True", "encrypted: a passphrase of their own"))
_PASSPHRASES = (("none", "none: the file's mode protects it"), ("command", "from a command"), ("prompt", "typed at every start"))
_RELOADS = (("True", "yes: new certificates without a restart"), ("False", "no: they need a restart"))
#: What a passphrase of the server's key means, below the fields.
_OPENED = {
    "command": "The server runs the command as its own user at every start, and answers nobody until it ends. It is tried before anything is written.",
    "prompt": "! The server asks at its terminal at every start: it does not come up by itself after a reboot, nor from systemd. A new certificate needs a restart.",
}


class KeyStep(FormStep):
    """Which key, and how long does it live?"""

    KEY = "key"
    TITLE = "Which key, and for how long?"
    SENTENCE = "The key proves the server; the date makes you renew it."
    found: Imported | None = None
    _judged_files: tuple[str, ...] = ()
    FIELDS: ClassVar[Mapping[str, str]] = {
        "key-type": "certificate.key",
        "days": "certificate.days",
        "ca-name": "certificate.ca_name",
        "ca-days": "certificate.ca_days",
        "middle-days": "certificate.intermediate_days",
        "ca-certificate": "certificate.ca_certificate",
        "ca-key": "certificate.ca_key",
        "ca-command": "certificate.ca_passphrase_command",
        "encrypt-ca": "certificate.encrypt_ca_key",
        "passphrase": "certificate.passphrase",
        "command": "certificate.passphrase_command",
        "reload": "certificate.passphrase_reload",
        "request": "certificate.request_file",
        "files": "certificate.import_certificate",
        "own-key": "certificate.import_key",
        "import-command": "certificate.import_passphrase_command",
    }

    def fields(self) -> ComposeResult:
        answers = (self.app.journey.answers or self.app.journey.complete()).certificate
        own = "" if answers.source == "new-ca" else "-gone"
        middle = "" if answers.source == "new-ca" and answers.intermediate else "-gone"
        waits = self.app.journey.cluster is not None and self.app.journey.cluster.requested is not None
        brings = answers.source == "import" or (answers.source == "request" and waits)
        made = "-gone" if brings else "first"
        yield Choice("Key", list(KEY_WORDS.items()), self.value_of("certificate.key"), id="key-type", classes=made)
        days = "-gone" if answers.source in {"request", "import"} else ""
        yield TextField("Valid for days", self.value_of("certificate.days"), id="days", kind="integer", classes=days)
        asks = "" if answers.source == "request" and not waits else "-gone"
        yield TextField("The request goes to", self.value_of("certificate.request_file"), id="request", classes=asks)
        yield from brought.fields(self.value_of, "" if brings else "-gone", waits=answers.source == "request" and waits)
        yield TextField("Name of the CA", self.value_of("certificate.ca_name"), id="ca-name", classes=own)
        yield TextField("Root valid for days", self.value_of("certificate.ca_days"), id="ca-days", kind="integer", classes=own)
        yield TextField(
            "Intermediate for days", self.value_of("certificate.intermediate_days"), id="middle-days", kind="integer", classes=middle
        )
        standing = "" if answers.source == "existing-ca" else "-gone"
        beside = str(answers.ca_directory / "root.crt")
        yield TextField(
            "The CA's certificate", self.value_of("certificate.ca_certificate"), id="ca-certificate", placeholder=beside, classes=standing
        )
        yield TextField("The CA's key", self.value_of("certificate.ca_key"), id="ca-key", placeholder="beside it, .key", classes=standing)
        yield TextField(
            "Its passphrase from",
            self.value_of("certificate.ca_passphrase_command"),
            id="ca-command",
            placeholder="a command that prints it, when the key is encrypted",
            classes=standing,
        )
        yield Choice("The CA's keys", _KEPT, self.value_of("certificate.encrypt_ca_key"), id="encrypt-ca", classes=own)
        yield Choice("Passphrase of the key", _PASSPHRASES, self.value_of("certificate.passphrase"), id="passphrase")
        yield TextField(
            "  printed by", self.value_of("certificate.passphrase_command"), id="command", placeholder="a command that the server runs"
        )
        yield Choice("  also at a reload", _RELOADS, self.value_of("certificate.passphrase_reload"), id="reload")
        yield Static(id="notes", markup=False)

    def on_mount(self) -> None:
        self._show_passphrase()
        if self._brings():
            self.judge()

    def on_choice_changed(self) -> None:
        self._show_passphrase()

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        if (
            event.widget.id in {f"{field}-input" for field in brought.IDS}
            and self._typed_files() != self._judged_files
            and not self._check()
        ):
            self.judge()

    def _brings(self) -> bool:
        """Whether files are named here, and there are some."""
        return bool(self.typed("files")) and not self.query_one("#files").has_class("-gone")

    def _typed_files(self) -> tuple[str, ...]:
        return tuple(self.typed(field) for field in brought.IDS)

    def judge(self) -> None:
        """Have the files opened and put together; Enter waits until that is known."""
        self._judged_files = self._typed_files()
        self.found = None
        if not self._brings():
            self.redraw_body()
            return
        self.ready = False
        self.redraw_body()
        self.run_worker(
            self.app.journey.judge_import, thread=True, exclusive=True, exit_on_error=False, name="judge", description="read the files"
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.name != "judge" or event.state not in {WorkerState.SUCCESS, WorkerState.ERROR}:
            return
        self.ready = True
        if event.state == WorkerState.ERROR:
            self.complain_of(event.worker.error)
        else:
            self.found = event.worker.result
            self.complain(brought.objection(self.found) or "")
        self.redraw_body()
        if self.open:
            self.app.release_enter(self.accept)

    def commit(self) -> str | None:
        problem = self._check()
        if problem or self.query_one("#files").has_class("-gone"):
            return problem
        if not self.typed("files"):
            waits = self.app.journey.cluster is not None and self.app.journey.cluster.requested is not None
            source = self.app.journey.complete().certificate.source
            return (
                None if waits and source == "request" else "Name the files: the certificate, and what stands above it where that is apart."
            )
        if self._typed_files() != self._judged_files:
            self.judge()
            return "Looking into the files. Enter again goes on."
        return brought.objection(self.found) if self.found is not None else "These files could not be read."

    def _show_passphrase(self) -> None:
        for field in ("command", "reload"):
            self.query_one(f"#{field}").set_class(self.typed("passphrase") != "command", "-gone")

    def redraw_body(self) -> None:
        if not self.query_one("#files").has_class("-gone"):
            self._put(self._about_files())
            return
        opened = _OPENED.get(self.typed("passphrase"))
        texts = [
            *([opened] if opened else []),
            "Every certificate begins an hour back, for clients whose clock is behind, and never outlives its issuer.",
            "Ed25519 is not offered: with it, password logins by SCRAM fail in PostgreSQL's own clients.",
        ]
        days = self.typed("days")
        if days.isdigit() and int(days) > 398:
            texts.insert(0, f"{days} days is long: some clients and policies refuse server certificates over 398 days.")
        rows = [line("")]
        for text in texts:
            rows += [line((row, "$pg-muted")) for row in wrap(text, self.body_width())] + [line("")]
        self._put(rows)

    def _put(self, rows: list[Content]) -> None:
        content = lines(rows)
        self.query_one("#notes", Static).update(as_ascii(content) if self.app.ascii else content)

    def _about_files(self) -> list[Content]:
        """Return what is known of the files that are brought."""
        width = self.body_width()
        if self.found is not None:
            return [line(""), *brought.rows(self.found, width)]
        cluster = self.app.journey.cluster
        waits = cluster.requested if cluster is not None else None
        if not self.ready:
            texts = ["Looking into the files…"]
        elif waits is not None:
            texts = [
                f"A certificate for {', '.join(waits.names)} was requested on {waits.made:%Y-%m-%d}; the request is {waits.request}.",
                "Name what the CA has sent. While it has not answered, go on with Enter: nothing is done until then.",
            ]
        else:
            texts = [
                "Certificate, intermediates and root in any order, in one file or in several; the key too, if you like.",
                "They are checked and put in order. The files themselves stay as they are.",
            ]
        return [line(""), *(line((row, "$pg-muted")) for text in texts for row in wrap(text, width))]

    def meaning(self) -> Meaning:
        source = self.app.journey.complete().certificate.source
        if not self.query_one("#files").has_class("-gone"):
            return Meaning(
                "The files", "a certificate and key checked together, the chain in order", "a look at its end: renewal is yours", "its root"
            )
        key = self.typed("key-type")
        if source == "request":
            get = "a key that never leaves this machine, and a request with all names"
            return Meaning(f"Request, {KEY_WORDS.get(key, key)}", get, "a wait until your CA answers", "its root, which they may have")
        get, cost, clients = _MEANINGS.get(key, ("", "", ""))
        return Meaning(f"{KEY_WORDS.get(key, key)} for {self.typed('days') or '?'} days", get, cost, clients)

    def in_words(self) -> str:
        if not self.query_one("#files").has_class("-gone"):
            return "files" if self.typed("files") else "waiting"
        short = KEY_WORDS.get(self.typed("key-type"), "").replace("ECDSA", "EC").replace(" bits", "")
        return short if self.query_one("#days").has_class("-gone") else f"{short} · {self.typed('days')} days"
