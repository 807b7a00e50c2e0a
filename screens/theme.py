"""Two themes of our own, with every colour by its use; contrasts are at least 4.5:1 for all text."""

from __future__ import annotations

from textual.theme import Theme

_DARK = {
    "pg-fg": "#d7dee6",
    "pg-bright": "#f3f6f9",
    "pg-muted": "#8d9bab",
    "pg-art": "#7d8fa1",
    "pg-line": "#3a4957",
    "pg-primary": "#6cabe0",
    "pg-ok": "#86c487",
    "pg-warn": "#e3b558",
    "pg-err": "#ea8585",
    "pg-mark": "#1d3f5f",
    "pg-mark-fg": "#f3f6f9",
    "pg-mark-dim": "#c3d3e2",
    "pg-bar": "#1a2b3b",
    "pg-bar-fg": "#e6edf4",
    "pg-bar-dim": "#a3b6c8",
    "pg-key": "#8cc0ec",
    "pg-add": "#13271f",
    "pg-sub": "#2d1b20",
    "pg-alert": "#e0b050",
    "pg-alert-fg": "#1b1405",
    "pg-alert-dim": "#463408",
    "pg-ground": "#10161d",
    "pg-surface": "#161f29",
}

_LIGHT = {
    "pg-fg": "#1d2733",
    "pg-bright": "#0a131d",
    "pg-muted": "#566372",
    "pg-art": "#5f7183",
    "pg-line": "#c2ccd6",
    "pg-primary": "#23608f",
    "pg-ok": "#23682b",
    "pg-warn": "#855300",
    "pg-err": "#ad2a2a",
    "pg-mark": "#d2e4f3",
    "pg-mark-fg": "#0a131d",
    "pg-mark-dim": "#2e4256",
    "pg-bar": "#dde8f1",
    "pg-bar-fg": "#12202d",
    "pg-bar-dim": "#43586b",
    "pg-key": "#1b5483",
    "pg-add": "#e3f3e4",
    "pg-sub": "#fbe6e6",
    "pg-alert": "#f0c050",
    "pg-alert-fg": "#1f1703",
    "pg-alert-dim": "#4a3706",
    "pg-ground": "#fbfcfd",
    "pg-surface": "#f1f4f7",
}

#: With these any other theme of Textual runs too.
DEFAULTS = _DARK

DARK = Theme(
    name="wizard-dark",
    primary=_DARK["pg-primary"],
    background=_DARK["pg-ground"],
    surface=_DARK["pg-surface"],
    foreground=_DARK["pg-fg"],
    warning=_DARK["pg-warn"],
    error=_DARK["pg-err"],
    success=_DARK["pg-ok"],
    accent=_DARK["pg-primary"],
    dark=True,
    variables=_DARK,
)
LIGHT = Theme(
    name="wizard-light",
    primary=_LIGHT["pg-primary"],
    background=_LIGHT["pg-ground"],
    surface=_LIGHT["pg-surface"],
    foreground=_LIGHT["pg-fg"],
    warning=_LIGHT["pg-warn"],
    error=_LIGHT["pg-err"],
    success=_LIGHT["pg-ok"],
    accent=_LIGHT["pg-primary"],
    dark=False,
    variables=_LIGHT,
)
