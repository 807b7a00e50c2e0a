"""Which rule a connection attempt meets and how it ends, as check_hba and ClientAuthentication decide it.

The first line whose type, address, database and user match decides; there is no second try. Source: hba.c and auth.c of 13
to 19, tried on 13 to 18.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgssl_wizard.access.attempt import Attempt, ClientCertificate, arrived
from pgssl_wizard.access.match import matches
from pgssl_wizard.access.outcome import Decision, Endings
from pgssl_wizard.files.hba import Rule
from pgssl_wizard.files.ident import MapLine

__all__ = ["Attempt", "ClientCertificate", "Decision", "decide"]


def decide(
    rules: Sequence[Rule],
    attempt: Attempt,
    major: int,
    *,
    ssl_ca: bool = False,
    own_ranges: Sequence[str] = (),
    maps: Sequence[MapLine] | None = None,
) -> Decision:
    """Return the rule that PostgreSQL of this major would pick for the attempt, and how it ends.

    For very many attempts on the same rules, `decider.Decider` gives the same answers faster.

    Args:
        rules: in reading order, without errors (a server with errors in the file keeps its old rules).
        attempt: who comes from where.
        major: for regular expressions (16 and later) and the words of the message.
        ssl_ca: whether `ssl_ca_file` is set.
        own_ranges: this machine's addresses as `address/prefix`, for `samehost` and `samenet`.
        maps: the lines of pg_ident.conf; None: not known, and every name is taken to be in the map that a rule names.
    """
    endings = Endings(major, ssl_ca=ssl_ca, maps=maps)
    early = endings.before_rules(attempt)
    if early is not None:
        return early
    here = arrived(attempt)
    for rule in rules:
        if matches(rule, here, major, own_ranges):
            return endings.under(rule, here)
    return endings.without_rule(here)
