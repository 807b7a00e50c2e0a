"""Step 4: the type of the key, and how long things live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from pgssl_wizard.certificates.describe import KEY_WORDS
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


class KeyStep(FormStep):
    """Which key, and how long does it live?"""

    KEY = "key"
    TITLE = "Which key, and for how long?"
    SENTENCE = "The key proves the server; the date makes you renew it."
    FIELDS: ClassVar[Mapping[str, str]] = {
        "key-type": "certificate.key",
        "days": "certificate.days",
        "ca-name": "certificate.ca_name",
        "ca-days": "certificate.ca_days",
        "middle-days": "certificate.intermediate_days",
        "ca-certificate": "certificate.ca_certificate",
        "ca-key": "certificate.ca_key",
        "ca-command": "certificate.ca_passphrase_command",
    }

    def fields(self) -> ComposeResult:
        answers = (self.app.journey.answers or self.app.journey.complete()).certificate
        own = "" if answers.source == "new-ca" else "-gone"
        middle = "" if answers.source == "new-ca" and answers.intermediate else "-gone"
        yield Choice("Key", list(KEY_WORDS.items()), self.value_of("certificate.key"), id="key-type", classes="first")
        yield TextField("Valid for days", self.value_of("certificate.days"), id="days", kind="integer")
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
        yield Static(id="notes", markup=False)

    def redraw_body(self) -> None:
        texts = [
            "Every certificate begins an hour back, for clients whose clock is behind, and never outlives its issuer.",
            "Ed25519 is not offered: with it, password logins by SCRAM fail in PostgreSQL's own clients.",
        ]
        days = self.typed("days")
        if days.isdigit() and int(days) > 398:
            texts.insert(0, f"{days} days is long: some clients and policies refuse server certificates over 398 days.")
        rows = [line("")]
        for text in texts:
            rows += [line((row, "$pg-muted")) for row in wrap(text, self.body_width())] + [line("")]
        content = lines(rows)
        self.query_one("#notes", Static).update(as_ascii(content) if self.app.ascii else content)

    def meaning(self) -> Meaning:
        key = self.typed("key-type")
        get, cost, clients = _MEANINGS.get(key, ("", "", ""))
        return Meaning(f"{KEY_WORDS.get(key, key)} for {self.typed('days') or '?'} days", get, cost, clients)

    def in_words(self) -> str:
        short = KEY_WORDS.get(self.typed("key-type"), "").replace("ECDSA", "EC").replace(" bits", "")
        return f"{short} · {self.typed('days')} days"
