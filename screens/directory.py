"""Step 1: which data directory, and what a careful colleague would say about it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import Worker, WorkerState

from pgssl_wizard.findings import Finding
from pgssl_wizard.screens.step import Meaning, Step
from pgssl_wizard.screens.text import as_ascii, line, lines, short_path
from pgssl_wizard.screens.widgets.fields import TextField
from pgssl_wizard.screens.widgets.options import Option, Options


class DirectoryStep(Step):
    """Which data directory?"""

    KEY = "cluster"
    TITLE = "Which data directory?"
    SENTENCE = "Where the server keeps its data; only read until apply."
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = (("Tab", "type a path"),)

    def __init__(self) -> None:
        super().__init__()
        self._typed = False
        self._looked_at: Path | None = None

    def fields(self) -> ComposeResult:
        options = []
        for each in self.app.found or []:
            state = "running" if each.running else "down"
            words = each.problem or f"{each.version:4}{state:9}{each.tls}"
            options.append(Option(str(each.data_directory), each.label or str(each.data_directory), words, each.problem or ""))
        if options:
            yield Options(options, str(self._chosen() or options[0].value), id="list", classes="first")
        yield TextField(
            "Another directory",
            "",
            id="path",
            placeholder="a path, for example /var/lib/postgresql/17/main",
            classes="" if options else "first",
        )
        yield Static(id="facts", markup=False)

    def _chosen(self) -> Path | None:
        cluster = self.app.journey.cluster
        return cluster.data_directory if cluster else None

    def on_mount(self) -> None:
        if self._target():
            self._inspect()

    def _target(self) -> Path | None:
        typed = self.query_one("#path", TextField).value
        if typed:
            return Path(typed).expanduser()
        found = self.query("#list").results(Options)
        for options in found:
            return None if options.current.unavailable else Path(options.current.value)
        return None

    def on_options_highlighted(self) -> None:
        self._inspect()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._typed = bool(event.value.strip())
        if not self._typed:
            self._inspect()

    def _inspect(self) -> None:
        target = self._target()
        if target is None:
            self.app.journey.cluster = None
            self.ready = True
            self.redraw()
            return
        self._looked_at = target
        self.ready = False
        self.complain("")
        self.run_worker(
            lambda: self.app.journey.inspect(target),
            thread=True,
            exclusive=True,
            exit_on_error=False,
            name="inspect",
            description="inspect",
        )

    def look_again(self) -> None:
        """Inspect the same cluster anew, after something was done to it."""
        self._inspect()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.name != "inspect" or event.state not in {WorkerState.SUCCESS, WorkerState.ERROR}:
            return
        self.ready = True
        if event.state == WorkerState.ERROR:
            self.app.journey.cluster = None
            self.app.enters_waiting = 0
            self.complain_of(event.worker.error)
        self.redraw()
        if event.state == WorkerState.SUCCESS and self.open:
            self.app.release_enter(self.accept)

    def redraw_body(self) -> None:
        cluster = self.app.journey.cluster
        rows: list[Content] = [Content("")]
        width = self.body_width()
        if cluster is None:
            rows.append(line(("" if self.ready else "reading…", "$pg-muted")))
        else:
            certificate = next((each for each in cluster.certificates if each.role == "server"), None)
            facts = [
                ("Data directory", short_path(cluster.data_directory, width - 18)),
                (
                    "Server",
                    f"PostgreSQL {cluster.server_version}, {'running' if cluster.running else 'down'}"
                    + (f", port {cluster.postmaster.port}" if cluster.postmaster else ""),
                ),
                ("Configuration", short_path(cluster.config_file, width - 18)),
                ("Belongs to", cluster.owner),
                (
                    "Certificate",
                    f"{certificate.common_name or certificate.subject}, to {certificate.not_after:%Y-%m-%d}" if certificate else "none",
                ),
            ]
            rows += [line((f"{label:16}", "$pg-muted"), text) for label, text in facts]
            said = self.finding_lines(width)
            if said:
                rows += [Content(""), *said]
        content = lines(rows)
        self.query_one("#facts", Static).update(as_ascii(content) if self.app.ascii else content)

    def findings(self) -> list[Finding]:
        return [*self.app.journey.unfinished, *(finding for finding in super().findings() if finding.code != "tls-off")]

    def meaning(self) -> Meaning:
        cluster = self.app.journey.cluster
        if cluster is None:
            return Meaning("Nothing chosen yet", "", "", "")
        undo = "the running server is asked to reload, twice" if cluster.running else "the change counts from the next start"
        if cluster.managed_by:
            undo = f"nothing is written from here: {cluster.managed_by} takes the change"
        reach = cluster.value("listen_addresses") or "nothing"
        return Meaning(
            f"Set up {cluster.label}",
            "a preview of every line before anything is written",
            undo,
            f"the server listens on {reach}",
            ("You get", "It costs", "Clients reach"),
        )

    def in_words(self) -> str:
        cluster = self.app.journey.cluster
        return cluster.label if cluster else ""

    def accept(self) -> None:
        target = self._target()
        if target is not None and target != self._looked_at:
            # A path was typed and Enter pressed: look first, then go on.
            self._inspect()
            self.app.enters_waiting += 1
            return
        super().accept()

    def commit(self) -> str | None:
        if self.app.journey.cluster is None:
            for options in self.query("#list").results(Options):
                if options.current.unavailable:
                    return options.current.unavailable
            return self.problem or "Choose a data directory, or type its path."
        said = (*self.app.journey.unfinished, *self.app.journey.cluster.findings)
        # For a manager there is something to hand over in the end: the walk to it changes nothing.
        stop = next((finding for finding in said if finding.severity == "error" and finding.code != "managed"), None)
        if stop:
            where = f"{stop.where}: " if stop.where else ""
            return f"{where}{stop.message} {stop.hint or ''}".strip()
        return None
