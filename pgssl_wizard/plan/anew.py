"""Whether a saved plan is still what would be planned: what it does must be the same, whom it meets may be others by now."""

from __future__ import annotations

from pgssl_wizard.plan.model import KnownChange, Plan


def difference(saved: Plan, now: Plan) -> tuple[str, str | None] | None:
    """Return what of a saved plan would be done otherwise now, in words, and where; None when all of it would be done alike.

    Args:
        saved: as it was made.
        now: made from the same answers, of the cluster as it is.
    """
    before = {change.path: change for change in (*saved.new_directories, *saved.changes)}
    after = {change.path: change for change in (*now.new_directories, *now.changes)}
    for path in (*before, *(each for each in after if each not in before)):
        if path not in after:
            return "it has nothing to write there any more", str(path)
        if path not in before:
            return "it would have to write there too", str(path)
        was, will = before[path], after[path]
        if (was.mode, was.uid, was.gid) != (will.mode, will.uid, will.gid):
            return f"it would give {was.mode:04o} {was.owner}, and {will.mode:04o} {will.owner} is right now", str(path)
        if was != will:
            return "it would write something else there now", str(path)
    for name in sorted({*saved.settings, *now.settings}):
        if saved.settings.get(name) != now.settings.get(name):
            return f"it would set {name} otherwise now", None
    if saved.sql != now.sql:
        return "it would run other SQL now", None
    if (saved.issue, saved.asks) != (now.issue, now.asks):
        return "it would make other certificates now", None
    if saved.trust_anchor != now.trust_anchor:
        return "clients would get another root certificate now", str(now.trust_anchor or saved.trust_anchor)
    return None


def newcomers(saved: Plan, now: Plan) -> tuple[str, ...]:
    """Return who would be locked out now and was not among those whom the saved plan names, in words."""
    named = {_of(each) for each in saved.known if each.refused is not None}
    return tuple(each.who for each in now.known if each.refused is not None and _of(each) not in named) if now.locked_out else ()


def _of(known: KnownChange) -> tuple[object, ...]:
    """Return what stays the same of somebody who goes and comes again."""
    return known.user, known.database, known.origin, known.machine
