"""The child of `admin` for servers whose socket lets only their own OS user in: started as root, it becomes that user, connects, and answers.

One JSON document a line on standard input and output. First line in: who to become, the import path, the ways to try. Run as a
script, so that it imports nothing but the client library.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Become the user named, connect, answer queries until standard input ends."""
    start = json.loads(sys.stdin.readline())
    sys.path[:] = start["path"]
    # Imported before the change of user: the libraries may lie where that user cannot read.
    from pgssl_wizard.server.connecting import Unavailable, connect, run  # noqa: PLC0415

    os.setgroups(start["groups"])
    os.setgid(start["gid"])
    os.setuid(start["uid"])
    os.environ["HOME"] = start["home"]
    try:
        connection, user = connect(start["ways"])
    except Unavailable as error:
        _say({"unavailable": str(error)})
        return
    _say({"user": user})
    for line in sys.stdin:
        request = json.loads(line)
        _say(run(connection, request["sql"], request["parameters"]))


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
