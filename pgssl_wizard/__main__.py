"""The door: the wizard without click (which costs its first frame 50 ms), every other command through it."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run what the command line asks for and end the process with its exit code."""
    arguments = sys.argv[1:]
    if arguments in ([], ["setup"], ["practice"]) or (
        len(arguments) == 2 and arguments[0] == "setup" and arguments[1][:1] not in {"", "-"}
    ):
        raise SystemExit(_wizard(arguments))
    from pgssl_wizard.cli.main import run  # noqa: PLC0415 - see above

    raise SystemExit(run(arguments))


def _wizard(arguments: list[str]) -> int:
    from pathlib import Path  # noqa: PLC0415

    from pgssl_wizard.cli.options import WizardOptions  # noqa: PLC0415
    from pgssl_wizard.cli.wizard import say, start  # noqa: PLC0415
    from pgssl_wizard.errors import WizardError  # noqa: PLC0415

    # Collecting garbage while modules load finds none; the first screen turns it on again.
    gc.disable()
    directory = Path(arguments[1]) if len(arguments) > 1 else None
    try:
        options = WizardOptions(directory, practice=arguments[:1] == ["practice"])
    except WizardError as error:
        say(error)
        return error.exit_code
    return start(options)


if __name__ == "__main__":
    main()
