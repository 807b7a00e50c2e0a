"""Step 7: whether clients show certificates of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from pgssl_wizard.screens.form import FormStep
from pgssl_wizard.screens.step import Meaning
from pgssl_wizard.screens.text import as_ascii, line, lines, wrap
from pgssl_wizard.screens.widgets.fields import TextField
from pgssl_wizard.screens.widgets.options import Option, Options

_OPTIONS = (
    Option("none", "None", "recommended: roles log in as they do today"),
    Option("optional", "Optional", "checked when a client offers one"),
    Option("verify-ca", "Required, any name", "clientcert=verify-ca beside the password"),
    Option("verify-full", "Required, own name", "clientcert=verify-full beside the password"),
    Option("cert", "Instead of passwords", "method cert: the certificate names the role"),
)
_WORDS = {
    "none": ("clients verify the server; they prove themselves by password", "nothing", "root.crt"),
    "optional": (
        "a first rung: certificates can be rolled out in peace",
        "! a stale postgresql.crt in somebody's home breaks their login",
        "nothing new",
    ),
    "verify-ca": (
        "a stolen password alone lets nobody in",
        "! whoever has no certificate is refused",
        "a certificate of the clients' CA, and the password",
    ),
    "verify-full": (
        "each certificate works for one role only, with the password",
        "! whoever has no certificate is refused",
        "a certificate with the role's name as CN, and the password",
    ),
    "cert": ("no passwords over TCP at all", "! whoever has no certificate is refused", "a certificate with the role's name as CN"),
}
_SHORT = {
    "none": "none",
    "optional": "optional",
    "verify-ca": "required",
    "verify-full": "required, own name",
    "cert": "instead of passwords",
}


class ClientsStep(FormStep):
    """Must clients show certificates of their own?"""

    KEY = "clients"
    TITLE = "Must clients show certificates of their own?"
    SENTENCE = "Apart from the server's: a second proof of who is there."
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = (("Tab", "clients' CA"),)
    FIELDS: ClassVar[Mapping[str, str]] = {"client-ca": "clients.ca"}

    def fields(self) -> ComposeResult:
        answers = (self.app.journey.answers or self.app.journey.complete()).clients
        yield Options(_OPTIONS, answers.certificates, id="demands", classes="first")
        yield TextField("The clients' CA", self.value_of("clients.ca"), id="client-ca", placeholder="empty: our own CA signs clients too")
        yield Static(id="said", markup=False)

    def on_options_highlighted(self) -> None:
        self.complain("")
        self.redraw_meaning()
        self.redraw_body()

    def redraw_body(self) -> None:
        demand = self.query_one(Options).current.value
        self.query_one("#client-ca").set_class(demand == "none", "-gone")
        width = self.body_width()
        rows = [line("")]
        if demand != "none":
            texts = [
                "The server then checks any certificate that a client offers, on every line; stale files in clients' homes need sslcertmode=disable (libpq 16)."
            ]
            if demand != "optional":
                texts.append(
                    "The wizard does not issue client certificates yet. Have them ready before you apply, or choose optional first."
                )
            for text in texts:
                rows += [line((("! " if number == 0 else "  "), "$pg-warn"), row) for number, row in enumerate(wrap(text, width - 2))]
        rows += self.finding_lines(width)
        content = lines(rows)
        self.query_one("#said", Static).update(as_ascii(content) if self.app.ascii else content)

    def commit(self) -> str | None:
        journey = self.app.journey
        demand = self.query_one(Options).current.value
        before = journey.given
        if demand == "none":
            journey.take_back("clients.certificates", "clients.ca")
            if journey.complete().clients.certificates != "none":
                journey.answer("clients.certificates", "none", "the step Client certificates")
            return None
        journey.answer("clients.certificates", demand, "the step Client certificates")
        problem = self._check()
        if problem:
            journey.given = before
            journey.answers = None
        return problem

    def meaning(self) -> Meaning:
        option = self.query_one(Options).current
        get, cost, clients = _WORDS[option.value]
        return Meaning(option.label, get, cost, clients, configuration=() if option.value == "none" else ("ssl_ca_file = 'root.crt'",))

    def in_words(self) -> str:
        return _SHORT[self.query_one(Options).current.value]
