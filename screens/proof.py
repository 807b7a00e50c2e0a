"""Step 11: what real connections showed, and what to hand to clients."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from pgssl_wizard.change.model import Change
from pgssl_wizard.findings import Finding
from pgssl_wizard.proof.model import Attempt
from pgssl_wizard.proof.ways import objection
from pgssl_wizard.screens.directory import DirectoryStep
from pgssl_wizard.screens.step import Meaning
from pgssl_wizard.screens.text import Piece, as_ascii, broken, fingerprint, fit, line, lines, short_path, wrap
from pgssl_wizard.screens.waiting import WaitingStep

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
ROOTS = ("none", "right", "wrong")
#: So many of the server's complaints are shown, the last ones.
_COMPLAINTS = 5


class ProofStep(WaitingStep):
    """Proven."""

    KEY = "proof"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "copy"),
        Binding("p", "card", "card"),
        Binding("b", "bring", "bring the answer", show=False),
        Binding("down,j", "scroll_body(1)", show=False),
        Binding("up", "scroll_body(-1)", show=False),
    ]

    def fields(self) -> ComposeResult:
        yield Static(id="evidence", markup=False)

    def title_line(self) -> Content:
        change = self.change
        if self.late:
            return line(("Not confirmed in time: everything is as it was before", "bold $pg-warn"))
        if self.undone:
            return line(("Undone: everything is as it was before", "bold $pg-bright"))
        if change is None or change.id is None:
            return line(("Nothing had to be done", "bold $pg-bright"))
        if change.effective == "not-reloaded":
            return line(("Requested: send it to your CA", "bold $pg-bright"))
        if not change.proved:
            words = {
                "next-start": "Written; it counts from the server's next start",
                "restart-needed": "Written; the server needs a restart",
            }
            return line((words.get(change.effective, "Written, and not proved"), "bold $pg-warn"))
        plain = any(each.sslmode == "disable" and each.outcome == "accept" for each in self._attempts())
        text = "Proven: clients can verify this server" if plain else "Proven: clients verify this server; plaintext is refused"
        return line((text, "bold $pg-bright"))

    def sentence(self) -> str:
        count = len([each for each in self._attempts() if each.outcome != "not-tried"])
        if self._is_request:
            return "Nothing of the server has changed."
        if self.undone and not self._kept:
            return "Nothing of it is left."
        if self.undone or not count:
            return "What was made for you stays: the CA's directory is yours."
        proof = self.change.proof if self.change is not None else None
        library = (proof.client_library if proof is not None else "") or "libpq"
        count += len([each for each in (proof.ways if proof is not None else ()) if each.outcome != "not-tried"])
        return f"{count} attempts just now with {library}, as clients do."

    def state_in_words(self) -> Content:
        if self.undone:
            return line((self.gone_in_words, "bold"))
        if self.waiting:
            return line((f"! {self.countdown()}", "bold"), (" to confirm", "$pg-bar-dim"))
        change = self.change
        on = change is not None and change.proved
        return line(
            ("✓ TLS on" if on else "written", "bold"), (f" · applied {change.made:%H:%M}Z" if change and change.made else "", "$pg-bar-dim")
        )

    def _attempts(self) -> list[Attempt]:
        change = self.change
        return list(change.proof.attempts) if change and change.proof else []

    def redraw_body(self) -> None:
        content = lines(self._rows())
        self.query_one("#evidence", Static).update(as_ascii(content) if self.app.ascii else content)

    def _rows(self) -> list[Content]:
        change = self.change
        width = self.body_width()
        rows: list[Content] = []
        if change is None:
            return rows
        if self.undone:
            return self._what_stays(change, width)
        rows += self.waiting_rows(width)
        proof = change.proof
        if proof and proof.served:
            leaf = proof.served.chain[0] if proof.served.chain else None
            last = proof.served.chain[-1] if proof.served.chain else None
            signer = last.issuer.removeprefix("CN=") if last else ""
            name = leaf.subject.removeprefix("CN=") if leaf else ""
            same = {True: ("✓ served = on disk", "$pg-ok"), False: ("✗ served is another", "$pg-err"), None: ("", "")}[proof.matches_disk]
            until = f" to {leaf.not_after:%Y-%m-%d}" if leaf else ""
            row = line((signer, "bold $pg-bright"), (" ── signs ─▶ ", "$pg-art"), (name, "bold $pg-bright"), (until, "$pg-muted"))
            if row.cell_length + 3 + len(same[0]) <= width:
                rows.append(line(row, "   ", same))
            else:
                rows += [row, line(same)]
            rows.append(Content(""))
        table = self._table()
        if table:
            rows += [*table, Content("")]
            legend = [
                line(("✓", "$pg-ok"), (" as it should be", "$pg-muted")),
                line(("·", "$pg-fg"), (" encrypted, but the name goes unchecked", "$pg-muted")),
            ]
            rows += legend if width < 62 else [line(legend[0], "    ", legend[1])]
        rows += self._by_kits(width)
        for each in self._attempts():
            if not each.as_expected:
                rows += [
                    line(("✗ ", "$pg-err"), text)
                    for text in wrap(
                        f"{each.host} {each.sslmode}: expected {each.expected}, met {each.outcome}. {each.message or ''}", width - 2
                    )
                ]
        rows += self._ways(width)
        names = [
            each
            for each in self._attempts()
            if each.sslmode == "verify-full" and each.root == "right" and each.outcome == "accept" and each.certificate == "none"
        ]
        if names:
            hosts = ", ".join(dict.fromkeys(each.host for each in names))
            rows += [line((text, "$pg-muted")) for text in wrap(f"verify-full by {hosts}", width)]
        for finding in change.findings:
            rows += self._said(finding, width)
        if not self._pane_holds_all:
            rows += [Content(""), *self._handed_over(width)]
        return rows

    def _said(self, finding: Finding, width: int) -> list[Content]:
        return [
            line(("! " if number == 0 and finding.severity != "info" else "  ", "$pg-warn"), text)
            for number, text in enumerate(wrap(finding.message, width - 2))
        ]

    def _what_stays(self, change: Change, width: int) -> list[Content]:
        """Return what there is after an undo: nothing of a change that no longer stands, only what is the person's."""
        rows = [line(("Files, modes and owners stand as before.", "$pg-muted"))]
        if change.state == "rolled-back":
            for finding in change.findings:
                rows += self._said(finding, width) if finding.code != "ca-kept" else []
        for number, place in enumerate(self._kept):
            rows += [Content("")] if number == 0 else []
            label = ("Stays, it is yours" if number == 0 else "").ljust(20)
            rows += [
                line((label if row == 0 else " " * 20, "$pg-muted"), text) for row, text in enumerate(broken(str(place), width - 20, "/"))
            ]
        return rows

    @property
    def _kept(self) -> list[Path]:
        """The directories of what an undo leaves where it is."""
        return list(dict.fromkeys(path.parent for path in self.change.kept)) if self.change is not None else []

    @property
    def _pane_holds_all(self) -> bool:
        """Whether what to hand over stands beside, to its last line."""
        # The two bars and the line above the pane's text.
        return self.roomy and self._pane(Meaning()).plain.count("\n") + 3 < self.window.height

    def _by_kits(self, width: int) -> list[Content]:
        """What roles met that were tried by their kits."""
        tried = self._attempts()
        rows: list[Content] = []
        for shown in (each for each in tried if each.certificate == "right" and each.as_expected):
            bare = next((each for each in tried if (each.user, each.certificate) == (shown.user, "none")), None)
            words = "let in with its certificate" if shown.outcome == "accept" else "refused with its certificate"
            if bare is not None and bare.as_expected:
                words += ", refused without" if bare.outcome == "reject" else ", and without"
            rows += [
                line(("✓ " if number == 0 else "  ", "$pg-ok"), text)
                for number, text in enumerate(wrap(f"{shown.user}: {words}", width - 2))
            ]
        return rows

    def _ways(self, width: int) -> list[Content]:
        """The ways in that were opened anew: how many are as they should be, and each that is not; then the server's complaints."""
        proof = self.change.proof if self.change is not None else None
        if proof is None:
            return []
        tried = [each for each in proof.ways if each.outcome != "not-tried"]
        right = [each for each in tried if each.as_expected]
        shut = len([each for each in right if each.closed])
        said: list[tuple[str, str, str]] = []
        if right:
            words = f"{len(right)} {'way' if len(right) == 1 else 'ways'} in as they should be"
            said.append(("✓ ", "$pg-ok", words + (f", {shut} of them shut now and open before" if shut else "")))
        said += [("✗ ", "$pg-err", f"{objection([each])}") for each in tried if not each.as_expected]
        unseen = len(proof.ways) - len(tried) + proof.ways_left_out
        if unseen:
            said.append(("- ", "$pg-muted", f"{unseen} not tried: from elsewhere, or too many (`pgssl-wizard verify` lists them)"))
        if proof.log is not None:
            said += [("! ", "$pg-warn", f"the server's log: {each}") for each in proof.log.complaints[-_COMPLAINTS:]]
        return [
            line((mark if number == 0 else "  ", style), text)
            for mark, style, words in said
            for number, text in enumerate(wrap(words, width - 2))
        ]

    def _table(self) -> list[Content]:
        attempts = [each for each in self._attempts() if each.certificate == "none"]
        if not attempts:
            return []
        first, user = attempts[0].host, attempts[0].user
        cells = {(each.sslmode, each.root): each for each in attempts if (each.host, each.user) == (first, user)}
        width = 14
        rows = [
            line((fit("sslmode", 14), "$pg-muted"), *[(fit(text, width), "$pg-muted") for text in ("no root", "right root", "wrong root")])
        ]
        if self.tall:
            rows.append(line(("─" * (14 + 3 * width - 4), "$pg-line")))
        for mode in MODES:
            pieces: list[Piece] = [(fit(mode, 14), "bold $pg-bright" if mode == "verify-full" else "$pg-fg")]
            pieces += [self._cell(cells.get((mode, root)), width) for root in ROOTS]  # type: ignore[arg-type]
            rows.append(line(*pieces))
        return rows

    def _cell(self, each: Attempt | None, width: int) -> Piece:
        if each is None or each.outcome == "not-tried":
            return (fit("  not tried", width), "$pg-muted")
        if not each.as_expected:
            return (fit("✗ " + ("let in" if each.outcome == "accept" else "refused"), width), "bold $pg-err")
        if each.outcome == "reject":
            return (fit("✓ refused", width), "$pg-ok")
        if each.sslmode == "verify-full":
            return (fit("✓ verified", width), "bold $pg-ok")
        if each.tls is None:
            return (fit("! plaintext", width), "$pg-warn")
        return (fit("· TLS", width), "$pg-fg")

    def _handed_over(self, width: int) -> list[Content]:
        rows: list[Content] = []
        for label, texts, style in self._hand_over(max(20, width - 18)):
            for number, text in enumerate(texts):
                rows.append(line((fit(label if number == 0 else "", 18), "$pg-muted"), (text, style)))
        return rows

    def _hand_over(self, width: int, *, short: bool = False) -> list[tuple[str, list[str], str]]:
        """Return labels, lines of `width` cells and their style; paths are whole, unless `short`: then in one line."""

        def path_in(path: Path) -> list[str]:
            return [short_path(path, width)] if short else broken(str(path), width, "/")

        def command_in(text: str) -> list[str]:
            return [part for row in wrap(text, width) for part in broken(row, width, "/")]

        change, plan, cluster = self.change, self.app.journey.plan, self.app.journey.cluster
        if change is None or plan is None or cluster is None:
            return []
        found: list[tuple[str, list[str], str]] = []
        if change.effective == "not-reloaded":
            return self._requested(width, path_in)
        if change.trust_anchor:
            found.append(("Hand to clients", path_in(change.trust_anchor), "$pg-fg"))
            if change.trust_anchor_sha256:
                found.append(("  SHA-256", fingerprint(change.trust_anchor_sha256, width), "$pg-muted"))
        found.append(("Connect with", self._psql(width), "$pg-fg"))
        if plan.answers.clients.roles:
            count = len(plan.answers.clients.roles)
            words = f"{count}, each to its role alone, over a way that nobody reads"
            found.append(("Kits", [*path_in(plan.answers.clients.directory), words], "$pg-fg"))
        keys = [path for path in change.kept if path.name.endswith(".key")]
        if keys:
            found.append(("Take offline", [row for path in keys for row in path_in(path)], "$pg-warn"))
        served = change.proof.served if change.proof else None
        if served and served.chain:
            ends = served.chain[0].not_after
            days = plan.answers.certificate.days
            found.append(("Renew by", [f"{ends - timedelta(days=days / 3):%Y-%m-%d}, a third before its end"], "$pg-fg"))
            lines_of = self.app.journey.upkeep()
            found.append(("Renewed by" if lines_of.renew else "Watched by", command_in(lines_of.renew or lines_of.check), "$pg-fg"))
            if lines_of.renew:
                found.append(("Watched by", command_in(lines_of.check), "$pg-fg"))
        return found

    def _requested(self, width: int, path_in: Callable[[Path], list[str]]) -> list[tuple[str, list[str], str]]:
        """Return where the request and its key are, and what comes next."""
        plan = self.app.journey.plan
        paths = {each.role: path_in(each.path) for each in plan.changes} if plan else {}
        then = wrap("b, or open the wizard again some day: it finds the request, and asks for what the CA sent", width)
        found = [("Send to your CA", "request"), ("Its key waits", "requested-key")]
        return [*((label, paths[role], "$pg-fg") for label, role in found if role in paths), ("Then", then, "$pg-fg")]

    @property
    def _is_request(self) -> bool:
        return self.change is not None and self.change.effective == "not-reloaded"

    def _psql(self, width: int) -> list[str]:
        text = self.connection_string()
        if len(text) + 7 <= width:
            return [f'psql "{text}"']
        parts = text.split(" ")
        rows, current = [], 'psql "'
        for part in parts:
            if len(current) + len(part) > width and current.strip():
                rows.append(current.rstrip())
                current = "  "
            current += part + " "
        return [*rows, current.rstrip() + '"']

    def connection_string(self) -> str:
        """Return what a client needs to connect and verify."""
        change, plan, cluster = self.change, self.app.journey.plan, self.app.journey.cluster
        assert plan is not None
        name = plan.answers.server.names[0].replace("*", "db", 1)
        port = cluster.postmaster.port if cluster and cluster.postmaster else cluster.value("port") if cluster else 5432
        root = change.trust_anchor.name if change and change.trust_anchor else "root.crt"
        return f"host={name} port={port} sslmode=verify-full sslrootcert={root}"

    def meaning(self) -> Meaning:
        if self.undone:
            return Meaning(
                "Afterwards",
                "the server as it was before" + (", proved again" if self.change and self.change.proved else ""),
                "the CA's directory is yours; delete it if you like" if self._kept else "",
                "",
                ("You have", "Mind", ""),
            )
        if self._is_request:
            return Meaning("Afterwards", "a request, and a key that never leaves this machine", "the server is as it was", "")
        return Meaning(
            "Afterwards",
            "the evidence above, and pgssl-wizard verify at any time",
            "existing plaintext sessions live on until they end",
            "u, or by itself when nobody keeps it" if self.waiting else "u, or pgssl-wizard rollback",
            ("You have", "Mind", "Undo"),
        )

    def _strip(self, meaning: Meaning) -> Content:
        """Where there is no pane, what to hand over stands in the strip, in short; the body has it in full."""
        handed = {label.strip(): texts for label, texts, _ in self._hand_over(self.main_width() - 18, short=True)}
        if self.undone or not handed:
            return super()._strip(meaning)
        if self._is_request:
            width = self.main_width() - 18
            shown = [(label, " ".join(texts)) for label, texts in handed.items()]
            texts = [line((fit(label, 18), "$pg-muted"), (fit(text, width).rstrip(), "$pg-fg")) for label, text in shown]
            return lines([line(("Next", "bold $pg-bright"), (" " + "─" * (self.main_width() - 5), "$pg-line")), *texts])
        rows = [line(("Hand over", "bold $pg-bright"), (" " + "─" * (self.main_width() - 10), "$pg-line"))]
        offline = ", ".join(handed.get("Take offline", []))
        renew = handed.get("Renew by", [""])[0].partition(",")[0]
        last = f"{offline} · renew by {renew}" if offline else f"renew by {renew}"
        for label, text in (
            ("To clients", " ".join(handed.get("Hand to clients", []))),
            ("Connect with", f"psql “{self.connection_string()}”"),
            ("Take offline" if offline else "Then", last),
        ):
            rows.append(
                line(
                    (fit(label, 14), "$pg-muted"),
                    (
                        fit(text.replace("“", '"').replace("”", '"'), self.main_width() - 14).rstrip(),
                        "$pg-warn" if label == "Take offline" else "$pg-fg",
                    ),
                )
            )
        return lines(rows)

    def _pane(self, meaning: Meaning) -> Content:
        if self.undone:
            return super()._pane(meaning)
        rows: list[Content | str] = [line(("Hand over", "bold $pg-bright")), ""]
        for label, texts, style in self._hand_over(28):
            rows.append(line((label.strip(), "bold $pg-primary")))
            for text in texts:
                rows += [line((row, style)) for row in ([text] if len(text) <= 28 else wrap(text, 28))]
            rows.append("")
        return lines(rows)

    def footer_keys(self) -> list[tuple[str, str]]:
        """Enter ends here."""
        if self._is_request:
            return [("Enter", "done"), ("b", "bring the answer"), ("c", "copy the path"), ("F1", "explain")]
        if self.waiting:
            return [("k", "keep"), ("u", "undo"), ("↓", "more"), ("c", "copy"), ("F1", "explain")]
        if self.undone:
            return [("Enter", "done"), ("F1", "explain")]
        keys = [("Enter", "done"), ("↓", "more"), ("c", "copy")]
        if self.change is not None and self.change.id is not None:
            keys.append(("u", "undo"))
        if self.change is not None and self.change.card:
            keys.append(("p", "card of the CA"))
        return [*keys, ("F1", "explain")]

    def in_words(self) -> str:
        if self.undone:
            return self.gone_in_words
        return "proven" if self.change and self.change.proved else "written"

    def accept(self) -> None:
        """Done, unless the change still waits."""
        if self.waiting:
            self.complain("k keeps the change, u undoes it. Ctrl+Q leaves, and it waits on for `pgssl-wizard confirm`.")
        elif not self.busy:
            self.app.exit(0)

    def action_back(self) -> None:
        """The change is made; going back would pretend otherwise."""
        if self.waiting:
            self.complain("The change is made. k keeps it, u undoes it.")
        elif self.undone:
            self.complain("The change is undone; Enter ends.")
        elif not self.busy:
            self.complain("The request is written; Enter ends." if self._is_request else "The change is made. u undoes it; Enter ends.")

    def action_card(self) -> None:
        """Show the card of the CA that was made."""
        plan = self.app.journey.plan
        if self.change is None or not self.change.card or plan is None or self.undone:
            return
        from pgssl_wizard.certificates.custody import NAME  # noqa: PLC0415
        from pgssl_wizard.screens.save import SaveCard  # noqa: PLC0415

        self.app.push_screen(SaveCard(plan.answers.certificate.ca_directory / NAME))

    def action_copy(self) -> None:
        """Copy the connection string."""
        plan = self.app.journey.plan
        if self.undone:
            self.complain("There is nothing to copy: the change is undone.")
        elif plan is not None and self._is_request:
            self.app.copy_to_clipboard(next((str(each.path) for each in plan.changes if each.role == "request"), ""))
            self.notify("The request's path is copied, if this terminal passes it on.", markup=False)
        elif plan is not None:
            self.app.copy_to_clipboard(self.connection_string())
            self.notify("The connection string is copied, if this terminal passes it on.", markup=False)

    def action_bring(self) -> None:
        """Begin again on the same cluster, where the request is found."""
        if self._is_request and not self.busy:
            self.app.call_later(self._begin_again)

    def _begin_again(self) -> None:
        app = self.app
        app.written = False
        for key in ("preview", "apply"):
            app.answered.pop(key, None)
        app.go_back_to("cluster")
        first = app.screen
        if isinstance(first, DirectoryStep):
            first.look_again()

    def action_undo(self) -> None:
        """Ask, then undo."""
        if self._is_request and not self.busy:
            self.complain("There is nothing to undo: the request and its key are yours. Move them away if you want another.")
            return
        super().action_undo()
