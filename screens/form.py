"""A step whose body is a form: each field writes one key of the answers, checked where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.widgets import Input

from pgssl_wizard.errors import WizardError
from pgssl_wizard.screens.step import Step
from pgssl_wizard.screens.widgets.fields import Choice, TextField


class FormStep(Step):
    """Subclasses name which field writes which key: `#id` → dotted key."""

    FIELDS: ClassVar[Mapping[str, str]] = {}
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = (("↑↓", "field"), ("←→", "change"))

    def value_of(self, key: str) -> str:
        """Return the present answer for a key as text for a field."""
        from pgssl_wizard.answers import flat  # noqa: PLC0415

        journey = self.app.journey
        given = journey.given.values.get(key)
        if given is not None:
            return self.spelled(key, _as_text(given))
        recommended = journey.recommended
        assert recommended is not None
        return self.spelled(key, _as_text(flat(recommended)[key]))

    def spelled(self, key: str, text: str) -> str:
        """Return an answer as the field shows it: places in the data directory by their relative names."""
        cluster = self.app.journey.cluster
        inside = f"{cluster.data_directory}/" if cluster else ""
        return text.removeprefix(inside) if inside and key.startswith("files.") else text

    def on_choice_changed(self) -> None:
        self.complain("")
        self.redraw_meaning()
        self.redraw_body()

    def on_input_changed(self, event: Input.Changed) -> None:
        if self.problem:
            # Once a field is in error, every keystroke is checked again.
            self.complain(self._check() or "")
        self.redraw_meaning()
        self.redraw_body()

    def typed(self, field: str) -> str:
        """Return what a field says now."""
        found = self.query_one(f"#{field}")
        return found.value if isinstance(found, Choice | TextField) else ""

    def commit(self) -> str | None:
        return self._check()

    def _check(self) -> str | None:
        """Write every field that differs from the recommendation into the journey; return the first objection."""
        from pgssl_wizard.answers import QUESTIONS, flat, parse_set  # noqa: PLC0415

        journey = self.app.journey
        assert journey.recommended is not None
        recommended = flat(journey.recommended)
        before = journey.given
        try:
            for field, key in self.FIELDS.items():
                text = self.typed(field)
                if (
                    self.query_one(f"#{field}").has_class("-gone")
                    or text == self.spelled(key, _as_text(recommended[key]))
                    or (not text and QUESTIONS[key].kind in {"path", "paths"})
                ):
                    journey.take_back(key)
                    continue
                kind = QUESTIONS[key].kind
                toml = text.lower() if kind in {"integer", "boolean"} else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
                journey.given = parse_set([f"{key}={toml}"], journey.given)
                journey.given = journey.given.with_value(key, journey.given.values[key], f"the step {self.KEY}")
            journey.answers = journey.plan = None
            journey.complete()
        except WizardError as error:
            journey.given = before
            journey.answers = None
            return error.with_hint
        return None


def _as_text(value: object) -> str:
    """Return an answer as one line of text: lists with commas."""
    return ", ".join(str(each) for each in value) if isinstance(value, list | tuple) else str(value)
