"""Step 7: whether clients show certificates of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from pgssl_wizard.certificates.roles import as_line, parse_line
from pgssl_wizard.screens.form import FormStep
from pgssl_wizard.screens.step import Meaning
from pgssl_wizard.screens.text import as_ascii, line, lines, listed, wrap
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
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = (("Tab", "fields"), ("F3", "server's roles"))
    BINDINGS: ClassVar[list[BindingType]] = [Binding("f3", "choose_roles", "roles", priority=True)]
    FIELDS: ClassVar[Mapping[str, str]] = {"kits": "clients.directory", "client-ca": "clients.ca", "crl": "files.crl"}

    def fields(self) -> ComposeResult:
        answers = (self.app.journey.answers or self.app.journey.complete()).clients
        yield Options(_OPTIONS, answers.certificates, id="demands", classes="first")
        yield TextField("A certificate for", as_line(answers.roles), id="roles", placeholder="roles, with commas; F3: the server's")
        yield TextField("Their kits go to", self.value_of("clients.directory"), id="kits")
        yield TextField("The clients' CA", self.value_of("clients.ca"), id="client-ca", placeholder="empty: our own CA signs clients too")
        yield TextField("Revocation list", self.value_of("files.crl"), id="crl", placeholder="empty: none; or a file such as root.crl")
        yield Static(id="said", markup=False)

    def on_options_highlighted(self) -> None:
        self.complain("")
        self.redraw_meaning()
        self.redraw_body()

    def redraw_body(self) -> None:
        demand = self.query_one(Options).current.value
        for field in ("#client-ca", "#roles"):
            self.query_one(field).set_class(demand == "none", "-gone")
        self.query_one("#kits").set_class(demand == "none" or not self.typed("roles"), "-gone")
        self.query_one("#crl").set_class(demand == "none", "-gone")
        width = self.body_width()
        rows = [line("")]
        if demand != "none":
            texts = [self._who_goes_without()] if demand != "optional" else []
            texts.append(
                "The server then checks any certificate that a client offers, on every line; stale files in clients' homes need sslcertmode=disable (libpq 16)."
            )
            for text in texts:
                rows += [line((("! " if number == 0 else "  "), "$pg-warn"), row) for number, row in enumerate(wrap(text, width - 2))]
        rows += self.finding_lines(width)
        content = lines(rows)
        self.query_one("#said", Static).update(as_ascii(content) if self.app.ascii else content)

    def _who_goes_without(self) -> str:
        """Return what becomes of roles without a certificate."""
        chosen = parse_line(self.typed("roles"))
        if not chosen:
            return "Whoever has no certificate is refused over TCP. Name the roles that get one, have others ready before you apply, or choose optional first."
        cluster = self.app.journey.cluster
        said = cluster.server.roles if cluster and cluster.server else ()
        others = [role for role in said if role not in chosen]
        if not others:
            return "Whoever has no certificate is refused over TCP."
        return f"Refused over TCP, because no certificate is made for them: {listed(others, 2 * self.body_width())}."

    def action_choose_roles(self) -> None:
        """Offer the server's roles."""
        if self.query_one(Options).current.value == "none":
            self.complain("Choose what clients must show first.")
            return
        cluster = self.app.journey.cluster
        server = cluster.server if cluster else None
        if server is None:
            why = (cluster.server_problem if cluster else None) or "it is down"
            self.complain(f"The server cannot be asked for its roles ({why}): type them.")
            return
        from pgssl_wizard.screens.roles import ChooseRoles  # noqa: PLC0415

        chosen = parse_line(self.typed("roles"))
        self.app.push_screen(ChooseRoles(list(dict.fromkeys((*chosen, *server.roles))), server.privileged, chosen), self._take_roles)

    def _take_roles(self, chosen: list[str] | None) -> None:
        if chosen is not None:
            self.query_one("#roles", TextField).input.value = as_line(chosen)
            self.complain("")

    def commit(self) -> str | None:
        journey = self.app.journey
        demand = self.query_one(Options).current.value
        before = journey.given
        if demand == "none":
            journey.take_back("clients.certificates", "clients.ca", "clients.roles", "clients.directory", "files.crl", "files.crl_dir")
            if journey.complete().clients.certificates != "none":
                journey.answer("clients.certificates", "none", "the step Client certificates")
            return None
        journey.answer("clients.certificates", demand, "the step Client certificates")
        problem = self._check()
        if problem:
            journey.given = before
            journey.answers = None
        return problem

    def _check(self) -> str | None:
        journey = self.app.journey
        before = journey.given
        journey.take_back("clients.roles")
        if roles := parse_line(self.typed("roles")):
            journey.answer("clients.roles", list(roles), "the step Client certificates")
        problem = super()._check()
        if problem:
            journey.given = before
            journey.answers = None
        return problem

    def meaning(self) -> Meaning:
        option = self.query_one(Options).current
        get, cost, clients = _WORDS[option.value]
        return Meaning(option.label, get, cost, clients, configuration=() if option.value == "none" else ("ssl_ca_file = 'root.crt'",))

    def in_words(self) -> str:
        demand = self.query_one(Options).current.value
        count = len(parse_line(self.typed("roles"))) if demand != "none" else 0
        if not count:
            return _SHORT[demand]
        # The receipt has 20 columns.
        word = {"verify-full": "own name", "cert": "method cert"}.get(demand, _SHORT[demand])
        return f"{word} · {count} kit{'s' if count != 1 else ''}"
