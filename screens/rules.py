"""Step 8: every access rule before and after, and who is connected through it now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from pgssl_wizard.answers import Given
from pgssl_wizard.errors import WizardError
from pgssl_wizard.journey import Journey
from pgssl_wizard.plan.model import Plan, RuleChange
from pgssl_wizard.plan.secrets import masked
from pgssl_wizard.rule_answers import RuleAnswer
from pgssl_wizard.screens.step import Meaning, Step
from pgssl_wizard.screens.text import as_ascii, fit, line, lines
from pgssl_wizard.screens.widgets.options import Option, Options

_OPTIONS = (
    Option("required", "TLS only", "host becomes hostssl; plaintext is refused"),
    Option("optional", "TLS or plaintext", "the rules stay; clients decide"),
)


#: What can be said of one rule, in turn; None is what is said of all.
_TURNS: dict[str, tuple[str | None, ...]] = {
    "encryption": (None, "leave", "required"),
    "certificates": (None, "none", "verify-ca", "verify-full", "cert"),
}


class RuleTable(Static, can_focus=True):
    """The rules, one row each; Up and Down move, and the table scrolls with the body."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("e", "turn('encryption')", show=False),
        Binding("c", "turn('certificates')", show=False),
        Binding("m", "map", show=False),
        Binding("x", "as_others", show=False),
    ]

    class Moved(Message):
        """Another rule is highlighted."""

    class Said(Message):
        """Something is said of the highlighted rule; nothing: it is to be as the others."""

        def __init__(self, change: RuleChange, **said: str | None) -> None:
            super().__init__()
            self.change = change
            self.said = said

    class Mapped(Message):
        """The highlighted rule gets a map with these entries; an empty name takes it away."""

        def __init__(self, change: RuleChange, name: str, entries: str) -> None:
            super().__init__()
            self.change = change
            self.name = name
            self.entries = entries

    def __init__(self) -> None:
        super().__init__(id="table", markup=False)
        self.changes: list[RuleChange] = []
        self.single: Mapping[tuple[Path, int], RuleAnswer] = {}
        self.entries: Mapping[str, str] = {}
        self.index = 0

    def set_changes(self, changes: list[RuleChange], single: Mapping[tuple[Path, int], RuleAnswer]) -> None:
        """Show these rules, and which of them are not as the others."""
        self.changes = changes
        self.single = single
        self.index = min(self.index, max(0, len(changes) - 1))
        self.draw()

    @property
    def current(self) -> RuleChange | None:
        """The highlighted rule."""
        return self.changes[self.index] if self.changes else None

    @property
    def said(self) -> RuleAnswer | None:
        """What is said of the highlighted rule alone."""
        change = self.current
        return self.single.get((change.file, change.line)) if change is not None else None

    def action_turn(self, what: str) -> None:
        """Say the next thing of the highlighted rule."""
        change, values = self.current, _TURNS[what]
        if change is None or change.action == "add":
            return
        now = getattr(self.said, what, None)
        self.post_message(self.Said(change, **{what: values[(values.index(now) + 1) % len(values)]}))

    def action_map(self) -> None:
        """Ask which map translates names for this rule."""
        change = self.current
        if change is None or change.action == "add":
            return
        from pgssl_wizard.screens.map import MapSheet  # noqa: PLC0415 - few rules have one

        def answered(said: tuple[str, str] | None) -> None:
            if said is not None:
                self.post_message(self.Mapped(change, *said))

        name = self.said.map if self.said else ""
        self.app.push_screen(MapSheet(name, self.entries.get(name, "")), answered)

    def action_as_others(self) -> None:
        """Say nothing of this rule any more."""
        if self.current is not None and self.said is not None:
            self.post_message(self.Said(self.current, encryption=None, certificates=None, map=""))

    def action_move(self, by: int) -> None:
        """Move the highlight; above the first rule stand the answers."""
        if self.index + by < 0:
            self.screen.focus_previous("#body *")
            return
        self.index = max(0, min(len(self.changes) - 1, self.index + by))
        self.draw()
        body = self.screen.query_one("#body")
        # The first row holds the column heads.
        top = self.region.y - body.region.y + int(body.scroll_offset.y) + self.index + 1
        if top >= body.scroll_offset.y + body.size.height:
            body.scroll_to(y=top - body.size.height + 1, animate=False)
        elif top < body.scroll_offset.y:
            body.scroll_to(y=top, animate=False)
        self.post_message(self.Moved())

    def on_focus(self) -> None:
        self.draw()
        self.post_message(self.Moved())

    def on_blur(self) -> None:
        self.draw()

    def on_resize(self) -> None:
        self.draw()

    def draw(self) -> None:
        """Draw the table; columns are as wide as the data, spare room goes to names and addresses."""
        width = max(40, (self.size.width or 78) - 2)
        after_width, who_width = (18, 9) if width >= 88 else (12, 9)
        given = width - 2 - 2 - 5 - 8 - 2 - after_width - who_width
        method_width = 7
        spare = max(12, given - method_width)
        wants = [max((len(change.fields[n]) for change in self.changes), default=3) + 1 for n in (1, 2, 3)]
        columns = _share(wants, spare)
        rows = [
            line(
                (fit("     line today", 1 + 2 + 2 + 5 + 8 + sum(columns) + method_width), "$pg-muted"),
                ("│ ", "$pg-line"),
                (fit("after", after_width), "$pg-muted"),
                ("who now".rjust(who_width), "$pg-muted"),
            )
        ]
        for number, change in enumerate(self.changes):
            rows.append(self._row(change, number == self.index and self.has_focus, columns, method_width, after_width, who_width))
        content = lines(rows)
        self.update(as_ascii(content) if getattr(self.app, "ascii", False) else content)

    def _row(self, change: RuleChange, on: bool, columns: list[int], method_width: int, after_width: int, who_width: int) -> Content:
        sign, sign_style = {
            "keep": (" ", "$pg-muted"),
            "change": ("~", "$pg-warn"),
            "add": ("+", "$pg-ok"),
            "comment-out": ("-", "$pg-err"),
        }[change.action]
        kind, database, user, address, method = change.fields
        number = "end" if change.action == "add" else str(change.line)
        method = method.replace("scram-sha-256", "scram")
        texts = ("", "", "", "", "") if change.action == "add" else (kind, database, user, address, method)
        if change.action == "keep":
            after = "stays"
        elif change.action == "comment-out":
            after = "commented out"
        elif change.action == "add":
            after = "hostnossl … reject" if after_width >= 18 else "reject plain"
        else:
            after = "hostssl" if len(change.after) == 1 else " + ".join(text.split()[0] for text in change.after)
            if "clientcert=" in " ".join(change.after) or " cert" in " ".join(change.after):
                after += " + cert"
        if change.plain_sessions:
            who, who_style = f"! {change.plain_sessions} plain", "$pg-warn"
        elif change.tls_sessions:
            who, who_style = f"✓ {change.tls_sessions} TLS", "$pg-ok"
        else:
            who, who_style = "", "$pg-muted"
        base = "$pg-muted" if change.action == "keep" else "$pg-fg"
        if (change.file, change.line) in self.single and change.action != "add":
            # A word that holds without colour too.
            after = f"* {after}"
        mark = " on $pg-mark" if on else ""
        if on:
            base = "bold $pg-mark-fg"
        after_style = "$pg-muted" if change.action == "keep" else "$pg-err" if change.action == "comment-out" else "$pg-ok"
        return line(
            (f" {'>' if on else ' '} ", f"{base}{mark}"),
            (f"{sign} ", f"{sign_style}{mark}"),
            (number.rjust(4) + " ", f"{base}{mark}"),
            (fit(texts[0], 8), f"{base}{mark}"),
            (fit(texts[1], columns[0] - 1) + " ", f"{base}{mark}"),
            (fit(texts[2], columns[1] - 1) + " ", f"{base}{mark}"),
            (fit(texts[3], columns[2] - 1) + " ", f"{base}{mark}"),
            (fit(texts[4], method_width), f"{base}{mark}"),
            ("│ ", f"$pg-line{mark}"),
            (fit(after, after_width), f"{after_style}{mark}"),
            (who.rjust(who_width) + " ", f"{who_style}{mark}"),
        )


class RulesStep(Step):
    """Who may still connect without TLS?"""

    KEY = "rules"
    TITLE = "Who may still connect without TLS?"
    TABLE = True
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = (("Tab", "rules"), ("w", "who gets in?"))
    BINDINGS: ClassVar[list[BindingType]] = [Binding("w", "explore", show=False)]

    def action_explore(self) -> None:
        """Open the explorer."""
        if self._plan is None:
            return
        from pgssl_wizard.screens.explorer import ExplorerScreen  # noqa: PLC0415

        self.app.push_screen(ExplorerScreen())

    def footer_keys(self) -> Iterable[tuple[str, str]]:
        """In the table, keys that say something of one rule."""
        if not self.query_one(RuleTable).has_focus:
            return super().footer_keys()
        return [
            ("Enter", "next"),
            ("e", "TLS"),
            ("c", "certificate"),
            ("m", "map"),
            ("x", "as the others"),
            ("Esc", "back"),
            ("F1", "explain"),
        ]

    def __init__(self) -> None:
        super().__init__()
        self.ready = False
        self._plan: Plan | None = None
        self._said_before: Given | None = None

    def fields(self) -> ComposeResult:
        answers = (self.app.journey.answers or self.app.journey.complete()).clients
        yield Options(_OPTIONS, answers.encryption, id="encryption", classes="first", one_line=True)
        yield Static("", markup=False)
        yield RuleTable()
        yield Static(id="said", markup=False)

    def on_mount(self) -> None:
        self._plan_anew()

    def on_options_highlighted(self) -> None:
        self.complain("")
        self._take()
        self._plan_anew()

    def on_rule_table_moved(self) -> None:
        self.redraw_meaning()
        self.show("footer", self._footer())

    def on_rule_table_said(self, message: RuleTable.Said) -> None:
        change = message.change
        self._say(lambda journey: journey.answer_rule(change.file, change.line, **message.said))

    def on_rule_table_mapped(self, message: RuleTable.Mapped) -> None:
        change = message.change

        def answer(journey: Journey) -> None:
            if message.name:
                journey.answer_map(message.name, message.entries)
            journey.answer_rule(change.file, change.line, map=message.name)

        self._say(answer)

    def _say(self, answer: Callable[[Journey], None]) -> None:
        """Take what is said of one rule, and plan anew."""
        journey = self.app.journey
        before = journey.given
        try:
            answer(journey)
            journey.complete()
        except WizardError as error:
            journey.given = before
            journey.answers = None
            self.complain(error.with_hint)
            return
        self._said_before = self._said_before or before
        table = self.query_one(RuleTable)
        table.single, table.entries = journey.single_rules(), journey.map_entries()
        self.complain("")
        self._plan_anew()

    def _take(self) -> None:
        journey = self.app.journey
        wanted = self.query_one(Options).current.value
        if wanted != (journey.answers or journey.complete()).clients.encryption:
            journey.answer("clients.encryption", wanted, "the step Access rules")

    def _plan_anew(self) -> None:
        self.ready = False
        self.run_worker(self._planned, thread=True, exclusive=True, exit_on_error=False, name="plan", description="make the plan")

    def _planned(self) -> tuple[Plan, Mapping[tuple[Path, int], RuleAnswer]]:
        journey = self.app.journey
        return journey.make_plan(), journey.single_rules()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.name != "plan" or event.state not in {WorkerState.SUCCESS, WorkerState.ERROR}:
            return
        self.ready = True
        if event.state == WorkerState.ERROR:
            self.complain_of(event.worker.error)
            self.app.enters_waiting = 0
            if self._said_before is not None:
                # What was said of a rule cannot be; it is as before, and so is what is shown.
                self.app.journey.given, self._said_before = self._said_before, None
                self.app.journey.answers = None
                self.redraw()
                return
            self._plan = None
        else:
            assert event.worker.result is not None
            self._plan, single = event.worker.result
            self._said_before = None
            table = self.query_one(RuleTable)
            table.entries = self.app.journey.map_entries()
            table.set_changes(list(self._plan.rules), single)
        self.redraw()
        if event.state == WorkerState.SUCCESS and self.open:
            self.app.release_enter(self.accept)

    def title_line(self) -> Content:
        if self._plan is None:
            return line((self.TITLE, "bold $pg-bright"))
        changing = sum(1 for change in self._plan.rules if change.action in {"change", "comment-out"})
        total = sum(1 for change in self._plan.rules if change.action != "add")
        cluster = self.app.journey.cluster
        sessions = len(cluster.server.sessions) if cluster and cluster.server else 0
        numbers = f"{changing} of {total} change · {sessions} session{'' if sessions == 1 else 's'} now"
        width = self.main_width()
        if len(self.TITLE) + len(numbers) + 2 > width:
            numbers = f"{changing} of {total} change"
        return line((self.TITLE, "bold $pg-bright"), " " * max(2, width - len(self.TITLE) - len(numbers)), numbers)

    def sentence(self) -> str:
        cluster = self.app.journey.cluster
        name = cluster.hba_file.name if cluster else "pg_hba.conf"
        return f"The rules of {name}, top to bottom: the first that matches decides."

    def redraw_body(self) -> None:
        self.query_one(RuleTable).draw()
        rows = [Content(""), *self.finding_lines(self.body_width())]
        content = lines(rows)
        self.query_one("#said", Static).update(as_ascii(content) if self.app.ascii else content)

    def meaning(self) -> Meaning:
        table = self.query_one(RuleTable)
        change = table.current if table.has_focus else None
        if change is None:
            return self._choice_meaning()
        if change.action == "add":
            return Meaning("The last line", "plaintext is refused in clear words, not by “no entry”", "nothing", "TLS")
        head = f"Line {change.line}: {change.note}" if change.note else f"Line {change.line}"
        if table.said is not None:
            head = f"Line {change.line}, by itself: {_in_words(table.said)}"
        plain = (
            f"! {change.plain_sessions} plaintext session(s) come in here now"
            if change.plain_sessions
            else "nothing: nobody is in plaintext here now"
        )
        if change.action == "keep":
            return Meaning(head, "this rule as it is, byte for byte", "nothing", "nothing new")
        if change.action == "comment-out":
            return Meaning(head, "no way in that is only for plaintext", plain, "another rule")
        need = "sslmode=prefer (libpq's default) or stronger"
        if self.app.journey.demands_certificate(table.said):
            sessions = change.plain_sessions + change.tls_sessions
            need = "a certificate of the clients' CA"
            plain = f"! {sessions} session(s) come in here now" if sessions else "who shows no certificate is refused"
        return Meaning(head, masked(" / ".join(" ".join(text.split()) for text in change.after)), plain, need)

    def _choice_meaning(self) -> Meaning:
        plain = sum(change.plain_sessions for change in self._plan.rules) if self._plan else 0
        if self.query_one(Options).current.value == "required":
            cost = f"! {plain} plaintext session(s) must log in with TLS next time" if plain else "clients that cannot do TLS are refused"
            return Meaning("TLS only", "nobody logs in over TCP without TLS", cost, "sslmode=prefer (libpq's default) or stronger")
        return Meaning(
            "TLS or plaintext",
            "nobody is refused; whoever asks gets TLS",
            "! whoever does not ask talks in the clear",
            "nothing new",
            configuration=(),
        )

    def commit(self) -> str | None:
        if self._plan is None:
            return self.problem or "There is no plan yet."
        return None

    def in_words(self) -> str:
        if self._plan is None:
            return ""
        changing = sum(1 for change in self._plan.rules if change.action in {"change", "comment-out"})
        if self.query_one(Options).current.value == "optional" and not changing:
            return "plaintext stays"
        return f"{changing} of {sum(1 for change in self._plan.rules if change.action != 'add')} change"


def _in_words(said: RuleAnswer) -> str:
    """Return what is said of one rule, in words."""
    parts = [
        f"TLS {said.encryption}" if said.encryption else "",
        f"certificate {said.certificates}" if said.certificates else "",
        f"map {said.map}" if said.map else "",
    ]
    return ", ".join(part for part in parts if part)


def _share(wants: list[int], spare: int) -> list[int]:
    """Share `spare` columns among database, role and address: everybody gets what they want if it fits, else the largest give way."""
    columns = [min(want, spare) for want in wants]
    while sum(columns) > spare:
        # Names stay readable when they are cut; an address does not, so it gives way last.
        widest = max(range(2), key=lambda n: columns[n])
        if columns[widest] <= 8:
            widest = max(range(3), key=lambda n: columns[n])
        columns[widest] -= 1
    columns[2] += spare - sum(columns)
    return columns
