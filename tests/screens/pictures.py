"""Pictures of every screen for the README: `python -m tests.screens.pictures DIRECTORY`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.screens.sample import SampleApp
from tests.screens.walking import ORDER, go_on_to, settle

SCREENS = (*ORDER, "confirm", "proof")
LOOKS = (("80x24", "dark"), ("120x40", "dark"), ("120x40", "light"))
FONTS = "/usr/share/fonts/truetype"


async def picture(key: str, size: str, theme: str) -> str:
    """Return one screen as SVG."""
    columns, rows = size.split("x")
    app = SampleApp(plaintext=2 if key == "rules" else 0, theme_name=f"wizard-{theme}")
    async with app.run_test(size=(int(columns), int(rows))) as pilot:
        await go_on_to(pilot, key)
        await settle(pilot)
        return app.export_screenshot(title="pgssl-wizard")


def main(target: Path, wanted: list[str]) -> None:
    """Write `<screen>-<size>-<theme>.png` for every screen, or for those named."""
    import resvg_py

    if not any(Path(FONTS).rglob("FiraCode*")):
        # Without it the pictures come out without any text.
        raise SystemExit("The font Fira Code is missing (Debian: apt install fonts-firacode fonts-dejavu-core).")
    target.mkdir(parents=True, exist_ok=True)
    for key in SCREENS:
        for size, theme in LOOKS:
            name = f"{key}-{size}-{theme}"
            if wanted and name not in wanted:
                continue
            svg = asyncio.run(picture(key, size, theme))
            png = resvg_py.svg_to_bytes(svg_string=svg, font_dirs=[FONTS], sans_serif_family="DejaVu Sans", monospace_family="Fira Code")
            (target / f"{name}.png").write_bytes(bytes(png))
            print(target / f"{name}.png")  # noqa: T201 - says what it made


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
