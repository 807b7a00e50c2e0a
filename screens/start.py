"""The first screen: what a person wants to do, and the clusters of this machine. The frame shows before anything is read."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from pgssl_wizard.screens.step import Meaning, Step
from pgssl_wizard.screens.text import fit, line, lines, short_path, some
from pgssl_wizard.screens.widgets.options import Option, Options

_LATER = "not there yet"
JOURNEYS = (
    Option("setup", "Set up TLS", "encrypt, and let clients verify this server"),
    Option("migrate", "Migrate to verify-full", "take live clients there; cut nobody off", f"{_LATER}: take live clients to verify-full"),
    Option("check", "Check up", "what is configured, served, expiring", f"{_LATER}: configured, served, expiring"),
    Option("learn", "Learn and practise", "a throwaway server, the attack shown", f"{_LATER}; make run practises"),
)


class StartScreen(Step):
    """What would you like to do?"""

    KEY = "start"
    TITLE = "What would you like to do?"

    def fields(self) -> ComposeResult:
        yield Options(JOURNEYS, id="journeys", classes="first")
        yield Static("Clusters on this machine", classes="head", markup=False)
        yield Static("  looking…", id="clusters", markup=False)

    def on_mount(self) -> None:
        self.ready = self.app.found is not None
        if not self.ready:
            # After the first frame: finding clusters imports what that frame does not need.
            self.call_after_refresh(self._look)

    def _look(self) -> None:
        gc.enable()
        self.run_worker(self._find, thread=True, exit_on_error=False, name="find", description="find data directories")

    def _find(self) -> None:
        app = self.app
        named = [app.options.data_directory] if app.options.data_directory else []
        if app.options.practice:
            from pgssl_wizard.practice.cluster import PracticeCluster  # noqa: PLC0415

            practice = PracticeCluster(app.options.pg_bin, clients=0)
            practice.__enter__()
            app.practice = practice
            named = [practice.data_directory]
            # Everything that practising makes, the CA too, lies in the directory that is removed at the end.
            app.journey.given = replace(app.journey.given, base=practice.data_directory.parent)
            app.journey.label = "practice"
        found = app.journey.find(named)
        if app.options.practice:
            found = [replace(each, label="practice") for each in found if each.data_directory == named[0].resolve()]
        app.found = found
        # While the person reads: what the next steps are made of.
        app.preload()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.name != "find" or event.state not in {WorkerState.SUCCESS, WorkerState.ERROR}:
            return
        if event.state == WorkerState.ERROR:
            if self.app.options.practice:
                from pgssl_wizard.errors import WizardError  # noqa: PLC0415

                error = event.worker.error
                hint = f"\nhint: {error.hint}" if isinstance(error, WizardError) and error.hint else ""
                code = int(error.exit_code) if isinstance(error, WizardError) else 1
                self.app.exit(return_code=code, message=f"error: {error}{hint}")
                return
            self.app.found = []
            self.complain(f"Looking for clusters failed: {event.worker.error}")
        self.ready = True
        self.redraw()
        if self.open:
            self.app.release_enter(self.accept)

    def sentence(self) -> str:
        found = self.app.found
        if found is None:
            return (
                "Making a practice cluster…" if self.app.options.practice else "Looking for clusters. Nothing is written until you apply."
            )
        count = {0: "No cluster found", 1: "One cluster found"}.get(len(found), f"{len(found)} clusters found")
        return f"{count}. Nothing is written until you apply."

    def redraw_body(self) -> None:
        found = self.app.found
        if found is None:
            return
        width = self.body_width()
        rows: list[Content] = []
        told, left_out = some(found, 12)
        for each in told:
            state = "running" if each.running else "down"
            tls = each.problem or each.tls
            label = fit(each.label or short_path(each.data_directory, 22), 22)
            sign = ("● ", "$pg-primary") if each.running else ("○ ", "$pg-muted")
            mark = ("! ", "bold $pg-warn") if each.worrying or each.problem else "  "
            style = "$pg-warn" if each.worrying or each.problem else "$pg-muted"
            rows.append(
                line(sign, label, (fit(each.version, 5), "$pg-muted"), (fit(state, 9), "$pg-muted"), mark, (fit(tls, width - 40), style))
            )
        if left_out:
            rows.append(line((f"  and {left_out} more; the next step takes a path", "$pg-muted")))
        if not found:
            rows.append(line(("  none; the next step takes a path", "$pg-muted")))
        content = lines(rows)
        from pgssl_wizard.screens.text import as_ascii  # noqa: PLC0415

        self.query_one("#clusters", Static).update(as_ascii(content) if self.app.ascii else content)

    def on_options_highlighted(self) -> None:
        self.redraw_meaning()

    def redraw_meaning(self) -> None:
        self.show("strip", self._picture())
        self.show("pane", self._picture())
        self.show("rail", self._rail())

    def _picture(self) -> Content:
        option = self.query_one(Options).current
        found = self.app.found or []
        target = found[0].label if found else "server"
        today = found[0].tls if found else ""
        narrow = not self.roomy
        if option.unavailable:
            return lines(
                [
                    line((option.label, "bold $pg-bright")),
                    line(("Not there yet.", "$pg-warn")),
                    line((f"It will {option.description}." if option.value == "migrate" else option.description + ".", "$pg-muted")),
                ]
            )
        if narrow:
            width = self.main_width()
            head = f"Set up TLS on {target}" if found else "Set up TLS"
            name = fit(target, min(len(target), 16))
            encrypted = today.startswith("TLS on")
            now = "encrypted, but to whom?" if encrypted else "anybody on the way reads it"
            arrow = max(8, min(26, width - 17 - len(name) - 2 - 27))
            before = line(("today   ", "$pg-muted"), "client ", ("╌" * arrow + "▶", "$pg-warn"), f" {name}  ", (now, "$pg-muted"))
            after = line(
                ("after   ", "$pg-muted"),
                "client ",
                ("═" * ((arrow - 10) // 2), "$pg-ok"),
                (" verified ", "$pg-ok"),
                ("═" * (arrow - 10 - (arrow - 10) // 2) + "▶", "$pg-ok"),
                f" {name}  ",
                ("root.crt says who it is", "$pg-muted"),
            )
            return lines([
                line((head, "bold $pg-bright"), (" " + "─" * max(0, width - len(head) - 1), "$pg-line")),
                before, after,
                line(("takes   ", "$pg-muted"), "a few minutes, two reloads, no restart"),
            ])  # fmt: skip
        return lines([
            line(("Set up TLS", "bold $pg-bright")), "",
            line(("Today", "bold $pg-primary")),
            line("client ", ("╌╌╌╌╌╌╌╌╌▶", "$pg-warn"), " server"),
            line(("anybody on the way reads it" if not today.startswith("TLS on") else "encrypted, but to whom?", "$pg-muted")), "",
            line(("After", "bold $pg-primary")),
            line("client ", ("═verified═▶", "$pg-ok"), " server"),
            line(("root.crt says who it is", "$pg-muted")), "",
            line(("It takes", "bold $pg-primary")),
            "a few minutes, two reloads,", "no restart",
        ])  # fmt: skip

    def in_words(self) -> str:
        return "set up TLS"

    def footer_keys(self) -> list[tuple[str, str]]:
        """There is nothing to go back to."""
        return [("Enter", "begin"), ("F1", "explain")]

    def commit(self) -> str | None:
        option = self.query_one(Options).current
        return f"{option.label} is not there yet. Set up TLS is." if option.unavailable else None

    def go_on(self) -> None:
        self.app.answered.pop("start", None)
        self.app.go_to("cluster")

    def action_back(self) -> None:
        """There is nothing before this screen."""
        self.complain("This is the first screen. Ctrl+Q leaves.")

    def meaning(self) -> Meaning:
        return Meaning()

    SENTENCE_ABOVE: ClassVar[str] = "TLS for PostgreSQL, from no certificate to verify-full"
