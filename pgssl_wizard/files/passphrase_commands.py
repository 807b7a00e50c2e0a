"""The command of ssl_passphrase_command as the server runs it: what becomes of its percent signs, and what it gives away. Pure.

13 to 15 replace `%p` and `%%` and leave any other percent sign alone (run_ssl_passphrase_command in be-secure-common.c); 16 and
newer raise an error for it (percentrepl.c), which at a reload ends the whole server.
"""

from __future__ import annotations

import re

#: Since this major a percent sign must be followed by `p` or `%`.
STRICT_SINCE = 16
#: What `%p` becomes: the words of OpenSSL's own prompt.
PROMPT = "Enter PEM pass phrase:"

_PLACEHOLDER = re.compile(r"%(.?)", re.DOTALL)
#: A command that does nothing but write down its own arguments, with no expansion in them that could hide where they come from.
_SPELLED_OUT = re.compile(r"\s*(?:/\S*/)?(?:echo|printf)\s+[^$`|<&;]*\Z")


def stray(command: str) -> str | None:
    """Return the first percent sign that is neither `%p` nor `%%`, with what follows it; None when there is none."""
    for found in _PLACEHOLDER.finditer(command):
        if found.group(1) not in {"p", "%"}:
            return found.group()
    return None


def expanded(command: str) -> str:
    """Return the line that the server gives to the shell; stray percent signs stay, as up to 15."""
    return _PLACEHOLDER.sub(lambda found: {"p": PROMPT, "%": "%"}.get(found.group(1), found.group()), command)


def spells_it_out(command: str) -> bool:
    """Whether the command holds the passphrase itself: it only prints its own words."""
    return _SPELLED_OUT.fullmatch(command) is not None
