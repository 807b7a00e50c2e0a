"""Step 3: where the server's certificate comes from, with the chain drawn as the highlight moves."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from pgssl_wizard.cluster.facts import PendingRequest
from pgssl_wizard.errors import WizardError
from pgssl_wizard.screens import chain
from pgssl_wizard.screens.step import Meaning, Step
from pgssl_wizard.screens.text import as_ascii, line, lines, wrap
from pgssl_wizard.screens.widgets.options import Option, Options

_OPTIONS = (
    Option("new-ca", "A CA of your own", "recommended: one root for all your servers"),
    Option("intermediate", ".. with an intermediate", "the root stays in a safe"),
    Option("self-signed", "Self-signed", "for testing: every client needs this file"),
    Option("existing-ca", "A CA made elsewhere", "its certificate and key, named in the next step"),
    Option("request", "Your company's CA", "we make the request, you bring the answer"),
    Option("import", "Files you already have", "PEM, DER or PKCS#12"),
)

_WORDS = {
    "new-ca": (
        "clients that verify every server you ever sign, with one file",
        "one secret, root.key, to keep in a safe",
        "root.crt, once; renewals change nothing for them",
    ),
    "intermediate": (
        "a root that can stay offline: the intermediate signs the servers",
        "two secrets to keep, and one more file in the chain",
        "root.crt, once; the server sends the intermediate",
    ),
    "self-signed": (
        "encryption, and clients can pin this one certificate",
        "! a new file to every client at each renewal",
        "server.crt itself as their root; client certificates are out",
    ),
    "request": (
        "a certificate that your company's clients trust already",
        "a wait for whoever signs",
        "the company's root, which they may have",
    ),
    "import": ("the files that you have, checked and put in order", "whatever their issuer asks at renewal", "their issuer's root"),
    "existing-ca": (
        "a certificate from a CA that you have already",
        "its key has to be here while it signs, and only then",
        "its root, which they may have already",
    ),
}
_SHORT = {
    "new-ca": "CA of your own",
    "intermediate": "CA + intermediate",
    "self-signed": "self-signed",
    "existing-ca": "existing CA",
    "request": "company's CA",
    "import": "own files",
}
#: Answers that go with one source alone.
_GO_WITH = {
    "existing-ca": ("certificate.ca_certificate", "certificate.ca_key"),
    "import": ("certificate.import_certificate", "certificate.import_key", "certificate.import_passphrase_command"),
}


def _source(option: str) -> str:
    """Return the answer that an option stands for."""
    return "new-ca" if option == "intermediate" else option


class SourceStep(Step):
    """Where should the server's certificate come from?"""

    KEY = "certificate"
    TITLE = "Where should the server's certificate come from?"
    SENTENCE = "Clients trust the signer: that is the file you hand out."

    def fields(self) -> ComposeResult:
        answers = (self.app.journey.answers or self.app.journey.complete()).certificate
        chosen = "intermediate" if answers.intermediate and answers.source == "new-ca" else answers.source
        yield Options(_OPTIONS, chosen, id="sources", classes="first")
        yield Static(id="drawing", markup=False)

    def on_options_highlighted(self) -> None:
        self.complain("")
        self.redraw_meaning()
        self.redraw_body()

    def redraw_body(self) -> None:
        option = self.query_one(Options).current
        answers = self.app.journey.answers or self.app.journey.complete()
        drawing = self.query_one("#drawing", Static)
        drawing.set_class(bool(option.unavailable), "-gone")
        source = _source(option.value)
        pending = self.app.journey.cluster.requested if self.app.journey.cluster else None
        if source == "request" and pending is not None:
            self._tell(pending)
            return
        content = chain.draw(
            chain.boxes_of(answers, source, option.value == "intermediate"),
            self.body_width(),
            self.roomy and self.tall,
        )
        drawing.update(as_ascii(content) if self.app.ascii else content)

    def _tell(self, pending: PendingRequest) -> None:
        """Say what waits, in place of the drawing."""
        texts = [
            f"Requested on {pending.made:%Y-%m-%d} for {', '.join(pending.names)}.",
            f"The request: {pending.request}" + ("" if pending.request_exists else " (not there any more)"),
            f"Its key waits: {pending.key}",
            "Has your CA answered? Go on with Enter, and name its files in the next step.",
        ]
        rows = [line((row, "$pg-fg")) for text in texts for row in wrap(text, self.body_width())]
        content = lines(rows)
        self.query_one("#drawing", Static).update(as_ascii(content) if self.app.ascii else content)

    def commit(self) -> str | None:
        option = self.query_one(Options).current
        if option.unavailable:
            return f"{option.label} is not there yet. Choose a CA of your own, one made elsewhere, or self-signed."
        journey = self.app.journey
        answers = (journey.answers or journey.complete()).certificate
        source = _source(option.value)
        intermediate = option.value == "intermediate"
        before = journey.given
        named = [key for owner, keys in _GO_WITH.items() if owner != source for key in keys if key in journey.given.values]
        if named and source != answers.source:
            # What names another CA, or files, does not go with this one.
            journey.take_back(*named)
        if answers.source != source:
            journey.answer("certificate.source", source, "the step Certificate")
        if source == "new-ca" and answers.intermediate != intermediate:
            journey.answer("certificate.intermediate", intermediate, "the step Certificate")
        try:
            journey.complete()
        except WizardError as error:
            # Said here, where it can be changed, and not by the step behind.
            journey.given, journey.answers = before, None
            return error.with_hint
        return None

    def meaning(self) -> Meaning:
        option = self.query_one(Options).current
        get, cost, clients = _WORDS[option.value]
        answers = self.app.journey.answers or self.app.journey.complete()
        if option.value == "request":
            return Meaning("What this means", get, cost, clients)
        configuration = ("ssl = on", f"ssl_cert_file = '{answers.files.certificate.name}'", f"ssl_key_file = '{answers.files.key.name}'")
        return Meaning("What this means", get, cost, clients, configuration=configuration)

    def in_words(self) -> str:
        return _SHORT.get(self.query_one(Options).current.value, "")
