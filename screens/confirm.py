"""The last look: the frame changes its tone, nothing has the focus, and applying is a key of its own."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static

from pgssl_wizard.screens.step import Meaning, Step
from pgssl_wizard.screens.text import as_ascii, line, lines, some, wrap
from pgssl_wizard.screens.widgets.fields import Choice, TextField

#: What has to be typed when somebody known would be refused.
WORD = "refuse them"

#: What has to be typed for what protects nobody, and what follows from it.
WEAK_WORDS = {
    "null-ciphers": ("send in the clear", "NULL ciphers: whoever is in between reads everything"),
    "weak-protocol": ("let old tls in", "TLS 1.0 and 1.1: withdrawn in 2021, attacks are published"),
}


#: How long a change waits to be confirmed, seconds as the field's value, in words; the first means that it stands.
WINDOWS = (("", "for good"), ("120", "if I confirm in 2 min"), ("600", "if I confirm in 10 min"))

#: So many warnings and so many refused are listed in any case, more where there is room beside so many other lines.
_WARNINGS, _REFUSED, _AROUND = 5, 6, 18


class ConfirmScreen(Step):
    """Apply this?"""

    KEY = "preview"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "apply", "apply"),
        Binding("w", "wait", "wait for me"),
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.add_class("-alert")

    def fields(self) -> ComposeResult:
        yield Static(id="list", markup=False)
        if self._can_wait:
            yield Choice("Keep it", WINDOWS, str(self.app.journey.confirm_within or ""), id="window")
        for number, (name, word, _) in enumerate(self._words()):
            yield TextField(f"Type “{word}”", "", id=name, classes="first" if number == 0 else "")

    @property
    def _can_wait(self) -> bool:
        """Whether there will be anything to try before it is confirmed: a running server with the change in force."""
        plan = self.app.journey.plan
        return plan is not None and plan.effective == "now"

    def _window(self) -> int | None:
        """Return how long the change is to wait to be confirmed, seconds; None: it stands."""
        for choice in self.query("#window").results(Choice):
            return int(choice.value) if choice.value else None
        return None

    def on_choice_changed(self) -> None:
        self.app.journey.confirm_within = self._window()
        self.redraw()
        self._keep_in_view()

    def on_descendant_focus(self) -> None:
        self.call_after_refresh(self._focus_moved)

    def on_descendant_blur(self) -> None:
        self.call_after_refresh(self._focus_moved)

    def _focus_moved(self) -> None:
        """The keys depend on which field has the focus, and that one is seen."""
        self.show("footer", self._footer())
        self._keep_in_view()

    def _keep_in_view(self) -> None:
        """The list above may have grown, or the objection below: the field with the focus stays in sight."""
        if self.focused is not None:
            self.call_after_refresh(self.focused.scroll_visible, animate=False)

    def action_move(self, by: int) -> None:
        """Move to the next field; where there is none, or the field is out of sight, scroll."""
        fields = [widget for widget in self.focus_chain if widget.has_class("field") or isinstance(widget, Input)]
        if self.focused in fields:
            index = fields.index(self.focused) + by
            seen = self.query_one("#body").region.contains_region(self.focused.region)
            if seen and 0 <= index < len(fields):
                fields[index].focus()
                return
        self.action_scroll_body(by)

    def action_wait(self) -> None:
        """Let the change wait to be confirmed, for longer, or not."""
        for choice in self.query("#window").results(Choice):
            choice.action_turn(1)

    def _words(self) -> list[tuple[str, str, str]]:
        """Return what has to be typed: the field's name, the words, and what they are for."""
        plan = self.app.journey.plan
        if plan is None:
            return []
        weak = [(f"word-{code}", *WEAK_WORDS[code]) for code in plan.weaknesses]
        return [*([("word", WORD, "somebody known would be refused")] if plan.locked_out else []), *weak]

    def on_mount(self) -> None:
        self.app.enters_waiting = 0
        for name, _, _ in self._words()[:1]:
            self.query_one(f"#{name}-input").focus()

    def title_line(self) -> Content:
        cluster = self.app.journey.cluster
        return line((f"Apply this to {cluster.label if cluster else 'the server'}?", "bold $pg-bright"))

    def sentence(self) -> str:
        plan = self.app.journey.plan
        if plan is not None and plan.effective == "not-reloaded":
            return "Nothing is written until you press A."
        if self._words():
            return "Nothing is written until the words are typed; undo puts it back."
        return "Nothing is written until you press A; undo puts it back."

    def state_in_words(self) -> Content:
        return line(("last look", "bold"), (" · nothing written yet", "$pg-alert-dim"))

    def redraw_body(self) -> None:
        plan, cluster = self.app.journey.plan, self.app.journey.cluster
        if plan is None or cluster is None:
            return
        width = self.body_width()
        new = [each for each in plan.changes if each.action == "create"]
        changed = [each for each in plan.changes if each.action != "create"]
        tls = any(each.phase == "tls" for each in plan.changes)
        rules = any(each.phase == "rules" for each in plan.changes)
        kits = sum(1 for each in plan.changes if each.phase == "kits")
        steps: list[str] = []
        request = plan.effective == "not-reloaded"
        if cluster.bin_directory is not None and not request:
            steps.append("try the new files on a throwaway cluster of the same programs")
        if not request:
            steps.append(f"keep a copy of {len(changed)} file(s) that change")
        steps.append(f"write {len(new)} new file(s), {sum(1 for each in new if each.secret)} of them secret")
        if plan.effective == "now":
            if tls:
                steps.append("reload; prove by real connections that TLS is on")
            if kits:
                steps.append(f"make {kits} kit(s) with client certificates")
            if rules:
                steps.append("change the rules; reload; prove who gets in and who does not")
            steps.append("if any of that fails: put everything back")
            window = self._window()
            if window is not None:
                steps.append(f"wait {window // 60} minutes for your k; without it, put everything back")
        elif request:
            steps.append("leave the server alone: the certificate comes later")
        elif plan.effective == "next-start":
            steps.append("leave the server down: all of it counts from its next start")
        else:
            steps.append("leave the running server as it is: it needs a restart")
        rows = [line((f"  {number}  ", "$pg-muted"), text) for number, text in enumerate(steps, 1)]
        if plan.sql:
            rows.append(line(("  SQL  ", "$pg-muted"), "; ".join(plan.sql)))
        rows.append(Content(""))
        warnings = [finding for finding in plan.findings if finding.severity == "warning"]
        told, left_out = some(warnings, _WARNINGS)
        for finding in told:
            for number, text in enumerate(wrap(finding.message, width - 4)):
                rows.append(line(("  ! " if number == 0 else "    ", "$pg-warn"), text))
        if left_out:
            rows.append(line((f"    and {left_out} more in the preview", "$pg-muted")))
        if plan.locked_out:
            rows.append(Content(""))
            rows.append(line(("  Known, and refused at their next login:", "bold $pg-warn")))
            named, left_out = some(plan.locked_out, max(_REFUSED, self.window.height - _AROUND - len(rows)))
            for who in named:
                rows += [line(("  ✗ " if number == 0 else "    ", "$pg-err"), text) for number, text in enumerate(wrap(who.who, width - 4))]
            if left_out:
                rows.append(line((f"    and {left_out} more in the preview, under Who", "$pg-muted")))
        if warnings or plan.locked_out:
            rows.append(Content(""))
        content = lines(rows)
        self.query_one("#list", Static).update(as_ascii(content) if self.app.ascii else content)

    def meaning(self) -> Meaning:
        plan = self.app.journey.plan
        keys = [each.path.name for each in plan.changes if each.role in {"root-key", "intermediate-key"}] if plan else []
        keep = f"{', '.join(keys)}: take offline when this is done" if keys else "nothing new to keep safe"
        if plan is not None and plan.effective == "not-reloaded":
            return Meaning(
                "Afterwards",
                "a request to send to your CA",
                "the key that waits",
                "none: the files are yours",
                ("You get", "To keep", "Undo"),
            )
        window = self._window()
        by_itself = f"u, or by itself {window // 60} minutes later if you do not confirm" if window else "u, or pgssl-wizard rollback"
        return Meaning(
            "Afterwards",
            "a table of who gets in and who does not, seen, not assumed",
            keep,
            by_itself,
            ("You get", "To keep", "Undo"),
        )

    def footer_keys(self) -> list[tuple[str, str]]:
        """Applying is a key that no typed-ahead Enter reaches."""
        if not self._words():
            wait = [("w", "wait for me")] if self._can_wait else []
            return [("A", "apply"), ("Esc", "back"), *wait, ("F1", "explain")]
        wait = []
        if self._can_wait:
            # In a field for words the letter w is a letter.
            wait = [("Tab", "wait for me")] if isinstance(self.focused, Input) else [("w", "wait for me"), ("Tab", "the words")]
        return [("Enter", "apply once typed"), *wait, ("Esc", "back"), ("F1", "explain")]

    def accept(self) -> None:
        """Enter applies only behind the typed words; otherwise it does nothing."""
        words = self._words()
        for name, word, why in words:
            field = self.query_one(f"#{name}-input", Input)
            if field.value.strip().lower() != word:
                field.focus()
                self.complain(f"{why[0].upper()}{why[1:]}. Type “{word}” to apply all the same, or go back.")
                # The objection takes lines away from the body.
                self._keep_in_view()
                return
        if words:
            self._go()
            return
        self.complain("Enter applies nothing. A (capital) applies, Escape goes back.")

    def action_apply(self) -> None:
        """Apply."""
        plan = self.app.journey.plan
        if plan is None or self._words():
            return
        self._go()

    def _go(self) -> None:
        if not self.is_current:
            return
        self.app.journey.confirm_within = self._window()
        self.app.pop_screen()
        self.app.go_to("apply")
