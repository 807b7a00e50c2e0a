"""Step 9: everything that will be written and run, before any of it is."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from pgssl_wizard.plan.model import Plan, PlannedFile
from pgssl_wizard.plan.secrets import masked
from pgssl_wizard.screens import hand_over, who
from pgssl_wizard.screens.difference import difference, folded, squeezed
from pgssl_wizard.screens.step import RAIL_FROM, Meaning, Step
from pgssl_wizard.screens.text import as_ascii, fit, line, lines, short_path, wrap

VIEWS = ("Files", "Certificates", "Rules", "Who", "Commands", "Findings")
#: In front of the others, for a cluster that somebody else manages.
HAND_OVER = "Hand over"
_SIGNS = {"create": ("+", "$pg-ok"), "modify": ("~", "$pg-warn"), "delete": ("-", "$pg-err")}
_TEXTUAL = {"settings", "auto-settings", "rules", "maps"}


def _owner(owner: str) -> str:
    """Return `postgres` for `postgres:postgres`."""
    user, _, group = owner.partition(":")
    return user if user == group else owner


class PreviewStep(Step):
    """Ready to apply."""

    KEY = "preview"
    TITLE = "Ready to apply"
    SENTENCE = "Every line that will be written. Nothing is written yet."
    TABLE = True
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "apply", "apply"),
        Binding("tab", "view(1)", "view", priority=True),
        Binding("shift+tab", "view(-1)", show=False, priority=True),
        Binding("right", "view(1)", show=False),
        Binding("left", "view(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown", "scroll(1)", show=False),
        Binding("pageup", "scroll(-1)", show=False),
        Binding("c", "copy", "copy"),
        Binding("s", "save", "save answers"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.ready = False
        self.plan: Plan | None = None
        self.view_name = VIEWS[0]
        self.index = 0

    def fields(self) -> ComposeResult:
        yield Static(id="views", markup=False)
        with Horizontal(id="split"):
            yield VerticalScroll(Static(id="tree", markup=False), id="tree-side", can_focus=False)
            yield VerticalScroll(Static(id="shown", markup=False), id="diff-side", can_focus=False)

    def on_mount(self) -> None:
        # Enters typed ahead end here: only the apply key goes on.
        self.app.enters_waiting = 0
        self.run_worker(
            self.app.journey.make_plan, thread=True, exclusive=True, exit_on_error=False, name="plan", description="make the plan"
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.name != "plan" or event.state not in {WorkerState.SUCCESS, WorkerState.ERROR}:
            return
        self.ready = True
        if event.state == WorkerState.ERROR:
            self.complain_of(event.worker.error)
        else:
            self.plan = event.worker.result
            files = self._files()
            # What changes in the rules is what people want to see first.
            self.index = next((n for n, each in enumerate(files) if each.role == "rules"), 0)
            self.view_name = self.views()[0]
        self.redraw()

    def views(self) -> tuple[str, ...]:
        """The views of this plan."""
        return (HAND_OVER, *VIEWS) if self.plan is not None and self.plan.handed_over is not None else VIEWS

    def _files(self) -> list[PlannedFile]:
        """The planned files in the order of the tree: configuration, the server's, the CA's."""
        if self.plan is None:
            return []
        order = {"configuration": 0, "data directory": 1, "clients' kits": 8, "your CA": 9}
        return sorted(self.plan.changes, key=lambda each: order.get(self._group(each), 5))

    # Drawing --------------------------------------------------------------------------------------------------------

    def title_line(self) -> Content:
        if self.plan is None:
            return line(("Working out the plan…" if not self.ready else "There is no plan", "bold $pg-bright"))
        if self.plan.handed_over is not None and not self.plan.empty:
            return line((f"For {self.plan.handed_over.manager}, which manages this cluster", "bold $pg-bright"))
        if self.plan.empty:
            return line(("Nothing to do: everything is as the answers say", "bold $pg-bright"))
        new = sum(1 for each in self.plan.changes if each.action == "create")
        changed = len(self.plan.changes) - new
        reloads = len({each.phase for each in self.plan.changes} & {"tls", "rules"}) if self.plan.effective == "now" else 0
        counts = line(
            (f"+ {new} new", "$pg-ok"), "   ", (f"~ {changed} changed", "$pg-warn"), f"   {reloads} reload{'s' if reloads != 1 else ''}"
        )
        width = self.main_width()
        return line((self.TITLE, "bold $pg-bright"), " " * max(2, width - len(self.TITLE) - counts.cell_length), counts)

    def redraw_body(self) -> None:
        pieces: list[Content] = []
        for name in self.views():
            text = name
            if name == "Findings" and self.plan:
                count = sum(1 for finding in self.plan.findings if finding.severity != "info")
                text = f"{name} ! {count}" if count else name
            pieces.append(line((text, "bold underline $pg-primary" if name == self.view_name else "$pg-muted")))
        self._put("#views", Content("    ").join(pieces))
        split = self.query_one("#tree-side")
        split.set_class(self.view_name != "Files", "-gone")
        if self.plan is None:
            self._put("#tree", Content(""))
            self._put("#shown", Content(""))
            return
        width = self.body_width() - 2
        if self.view_name == HAND_OVER and self.plan.handed_over is not None:
            self._put("#shown", hand_over.pages(self.plan.handed_over, width))
        elif self.view_name == "Files":
            self._put("#tree", self._tree())
            self._put("#shown", self._file())
        elif self.view_name == "Certificates":
            self._put("#shown", self._certificates(width))
        elif self.view_name == "Rules":
            self._put("#shown", self._rules())
        elif self.view_name == "Who":
            self._put("#shown", who.table(self.plan, width))
        elif self.view_name == "Commands":
            self._put("#shown", self._commands(width))
        else:
            self._put("#shown", self._findings(width))

    def _put(self, selector: str, content: Content) -> None:
        self.query_one(selector, Static).update(as_ascii(content) if self.app.ascii else content)

    def _tree(self) -> Content:
        width = self._tree_width()
        rows: list[Content] = []
        files = self._files()
        current = files[self.index] if files else None
        for group in dict.fromkeys(self._group(each) for each in files):
            rows.append(line((" " + group, "$pg-muted")))
            for each in files:
                if self._group(each) != group:
                    continue
                on = each is current
                sign, style = _SIGNS[each.action]
                note = self._note(each)
                name = fit(f" {'>' if on else ' '}   {each.path.name}", width - len(note) - 2)
                mark = " on $pg-mark" if on else ""
                label = "bold $pg-mark-fg" if on else "$pg-fg"
                rows.append(
                    line(
                        (name[:3], f"{label}{mark}"),
                        (sign, f"{style}{mark}"),
                        (name[4:], f"{label}{mark}"),
                        (" " + note + " ", f"{'$pg-mark-dim' if on else '$pg-muted'}{mark}"),
                    )
                )
        return lines(rows)

    def _group(self, each: PlannedFile) -> str:
        assert self.plan is not None
        if each.role in {"request", "requested-key", "record"}:
            return "the request"
        if each.phase == "ca":
            return "your CA"
        if each.phase == "kits":
            return "clients' kits"
        if each.role in _TEXTUAL:
            return "configuration"
        return "data directory" if self.plan.data_directory in each.path.parents else short_path(each.path.parent, 26)

    def _note(self, each: PlannedFile) -> str:
        if each.role in _TEXTUAL:
            text = difference(each.before, each.after)
            return f"+{text.added} -{text.removed}"
        return "secret" if each.secret else "public"

    def _file(self) -> Content:
        files = self._files()
        if not files:
            return line(("Nothing to write.", "$pg-muted"))
        each = files[self.index]
        what = {"create": "new", "modify": "replaced" if each.role not in _TEXTUAL else "changed", "delete": "deleted"}[each.action]
        head = [
            line((each.path.name, "bold $pg-bright"), (f"   {each.mode:04o} {_owner(each.owner)}, {what}", "$pg-muted")),
            line((str(each.path.parent) + "/", "$pg-muted")),
        ]
        if each.role in _TEXTUAL:
            return lines([*head, *difference(each.before, each.after, self._shown_width(), squeeze=each.role == "rules").rows])
        if each.role in {"crl", "ca-crl"}:
            return lines([*head, Content(""), line("Which client certificates count no longer: revocation lists, signed by their CAs.")])
        if each.role == "kit":
            text = "A directory for one role: certificate, key, root and the settings for every driver. Made once TLS is proved; undo leaves it."
            rows = [line((row, "$pg-fg")) for row in wrap(text, max(20, self._shown_width() - 2))]
            return lines([*head, Content(""), *rows, Content(""), *self._in_words(each)])
        if each.role == "record":
            return lines([*head, Content(""), line("Where the request and its key are, so that the wizard finds them again.")])
        if each.secret and not each.holds:
            text = "A private key, made at apply. It is never shown, logged or copied."
            if each.key_file is not None:
                text = f"The private key from {each.key_file}. It is never shown or logged."
            elif each.action == "delete":
                text = "The private key that waited: it goes to its place."
            return lines([*head, Content(""), *(line(row) for row in wrap(text, max(20, self._shown_width() - 2)))])
        return lines([*head, Content(""), *self._in_words(each)])

    def _shown_width(self) -> int:
        return max(20, self.body_width() - self._tree_width() - 1)

    def _tree_width(self) -> int:
        return 28 if self.window.width < RAIL_FROM else 34

    def _in_words(self, each: PlannedFile) -> list[Content]:
        from pgssl_wizard.certificates.describe import in_words  # noqa: PLC0415

        rows: list[Content] = []
        profiles = each.chain or ((each.profile,) if each.profile else ())
        for number, words in enumerate(each.holds or [in_words(profile) for profile in profiles]):
            if number:
                rows += [Content(""), line(("followed by", "$pg-muted"))]
            rows.append(line((words[0], "bold $pg-bright")))
            for text in words[1:]:
                rows += [line(f"  {row}") for row in wrap(text, 60)]
        return rows

    def _certificates(self, width: int) -> Content:
        assert self.plan is not None
        rows: list[Content] = []
        for each in self.plan.changes:
            if each.role.endswith("-certificate") or each.role == "client-ca":
                rows += [line((short_path(each.path, width), "$pg-primary")), *self._in_words(each), Content("")]
        return lines(rows) if rows else line(("The certificates that stand will do; none is made.", "$pg-muted"))

    def _rules(self) -> Content:
        assert self.plan is not None
        rows: list[Content] = []
        wide = self.main_width() >= 88
        for each in self.plan.rules:
            number = "end" if each.action == "add" else str(each.line)
            if each.action == "keep":
                rows.append(
                    line((number.rjust(5) + "   ", "$pg-muted"), (masked(each.before if wide else squeezed(each.before)), "$pg-muted"))
                )
                continue
            if each.before:
                rows.append(
                    line(
                        (number.rjust(5) + " - ", "$pg-err"), (masked(each.before if wide else squeezed(each.before)), "$pg-err on $pg-sub")
                    )
                )
            rows += [
                line((number.rjust(5) + " + ", "$pg-ok"), (masked(text if wide else squeezed(text)), "$pg-ok on $pg-add"))
                for text in each.after
            ]
            if each.action == "comment-out":
                rows.append(line(("      + ", "$pg-ok"), (f"# {masked(each.before)}", "$pg-ok on $pg-add")))
        if self.plan.locked_out:
            rows += [Content(""), line(("Known, and refused afterwards", "bold $pg-warn"))]
            rows += [line(("! ", "$pg-warn"), f"{known.who}: {known.message}") for known in self.plan.locked_out]
        return lines(rows)

    def _commands(self, width: int) -> Content:
        assert self.plan is not None
        rows: list[Content] = []
        if self.plan.sql:
            rows += [
                line(("SQL that apply runs", "bold $pg-bright")),
                *[line(f"  {statement};") for statement in self.plan.sql],
                Content(""),
            ]
        if self.plan.openssl:
            rows.append(line(("The same certificates by hand, in an empty directory", "bold $pg-bright")))
            rows += [part for command in self.plan.openssl for part in folded(line(f"  {command}"), width)]
            rows.append(Content(""))
        rows.append(line(("The same change without a terminal", "bold $pg-bright")))
        rows.append(line(f"  pgssl-wizard apply {self.plan.data_directory} -a answers.toml"))
        rows += [line((f"  {row}", "$pg-muted")) for row in wrap("s saves these answers; c copies what is shown here.", width - 2)]
        return lines(rows)

    def _findings(self, width: int) -> Content:
        assert self.plan is not None
        rows: list[Content] = []
        marks = {"error": ("✗", "$pg-err"), "warning": ("!", "$pg-warn"), "info": ("·", "$pg-muted")}
        for finding in sorted(self.plan.findings, key=lambda each: ("error", "warning", "info").index(each.severity)):
            mark, style = marks[finding.severity]
            for number, row in enumerate(wrap(finding.message, width - 2)):
                rows.append(line((f"{mark if number == 0 else ' '} ", style), row))
            rows += [line(("    " + row, "$pg-muted")) for row in wrap(finding.hint or "", width - 4)]
        for text in self.plan.goes_live_too:
            for number, row in enumerate(wrap(text, width - 4)):
                rows.append(line(("  ~ " if number == 0 else "    ", "$pg-warn"), row))
        return lines(rows) if rows else line(("Nothing to say.", "$pg-muted"))

    def meaning(self) -> Meaning:
        plan = self.plan
        if plan is None:
            return Meaning("What happens", "", "", "")
        if plan.handed_over is not None:
            manager = plan.handed_over.manager
            return Meaning(
                "What happens",
                f"what {manager} takes instead",
                "nothing is written from here",
                f"undo it in {manager}",
                ("You get", "It costs", "Undo"),
            )
        words = {
            "now": "reloads, no restart; sessions that are connected stay",
            "next-start": "nothing now: the server is down, it counts from its start",
            "restart-needed": "! the server must be restarted before it can read the key",
            "not-reloaded": "nothing of the server changes; then a wait for your CA",
        }[plan.effective]
        if plan.locked_out:
            words = f"! {len(plan.locked_out)} known client(s) are refused at their next login"
        if plan.effective == "not-reloaded":
            after = "the request and its key are yours: no undo touches them"
            return Meaning("What happens", "a request for your CA", words, after, ("You get", "It costs", "Afterwards"))
        required = plan.answers.clients.encryption == "required"
        get = "a verified server" + ("; plaintext refused" if required else "; plaintext still let in")
        return Meaning(
            "What happens", get, words, "u on the last screen, or pgssl-wizard rollback, any time", ("You get", "It costs", "Undo")
        )

    def in_words(self) -> str:
        return f"{len(self.plan.changes)} files" if self.plan else ""

    def footer_keys(self) -> list[tuple[str, str]]:
        """The apply key stands first; Enter does nothing here."""
        return [("A", "apply…"), ("Esc", "back"), ("Tab", "view"), ("c", "copy"), ("s", "save answers"), ("F1", "explain")]

    # Keys -----------------------------------------------------------------------------------------------------------

    def accept(self) -> None:
        """Enter does not apply: only A goes on."""
        self.app.enters_waiting = 0
        if self.plan is not None:
            self.complain("Enter applies nothing. Press A (capital) for the last look.")

    def action_apply(self) -> None:
        """Go to the last look."""
        if not self.ready or self.plan is None:
            return
        if self.plan.empty:
            self.complain("There is nothing to apply.")
            return
        stop = next((finding for finding in self.plan.findings if finding.severity == "error"), None)
        if stop:
            self.complain(f"{stop.message} {stop.hint or ''}".strip())
            return
        if self.app.journey.read_only:
            self.complain("Nothing is written under --read-only. s and plan -o are off as well.")
            return
        from pgssl_wizard.screens.confirm import ConfirmScreen  # noqa: PLC0415
        from pgssl_wizard.screens.passphrases import PassphrasesScreen  # noqa: PLC0415

        self.app.answered[self.KEY] = self.in_words()
        self.app.push_screen(PassphrasesScreen() if self.plan.asks else ConfirmScreen())

    def action_view(self, by: int) -> None:
        """Show the next view."""
        views = self.views()
        self.view_name = views[(views.index(self.view_name) + by) % len(views)]
        self.query_one("#diff-side").scroll_home(animate=False)
        self.redraw_body()

    def action_move(self, by: int) -> None:
        """Choose another file, or scroll where there are none."""
        if self.view_name != "Files":
            self.query_one("#diff-side").scroll_relative(y=by, animate=False)
            return
        self.index = max(0, min(len(self._files()) - 1, self.index + by))
        self.query_one("#diff-side").scroll_home(animate=False)
        self.redraw_body()

    def action_scroll(self, by: int) -> None:
        """Scroll what is shown by a page."""
        side = self.query_one("#diff-side", VerticalScroll)
        side.scroll_relative(y=by * max(1, side.size.height - 1), animate=False)

    def action_copy(self) -> None:
        """Copy what is shown: the exact diff of a file, else the text."""
        if self.plan is None:
            return
        files = self._files()
        if self.view_name == "Files" and files and files[self.index].role in _TEXTUAL:
            from pgssl_wizard.files.diff import unified  # noqa: PLC0415

            each = files[self.index]
            text = masked(unified(each.before, each.after, str(each.path)))
        elif self.view_name == HAND_OVER and self.plan.handed_over is not None:
            text = hand_over.text(self.plan.handed_over)
        elif self.view_name == "Commands":
            text = "\n".join((*[f"{statement};" for statement in self.plan.sql], *self.plan.openssl)) + "\n"
        else:
            shown = self.query_one("#shown", Static).content
            text = shown.plain if isinstance(shown, Content) else str(shown)
        self.app.copy_to_clipboard(text)
        self.notify("Copied, if this terminal passes it on.", markup=False)

    def action_save(self) -> None:
        """Ask where, and save the answers file."""
        if self.plan is None:
            return
        from pgssl_wizard.screens.save import SaveAnswers  # noqa: PLC0415

        self.app.push_screen(SaveAnswers(Path.cwd() / "answers.toml"))
