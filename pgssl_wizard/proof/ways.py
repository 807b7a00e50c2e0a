"""Which ways in a proof opens anew, and what the rules promise to each. Pure but for the maps, which are read where a certificate is shown.

The attempts come from this machine. A rule for another address cannot be tried from here: then the way is listed as `not-tried`, with
the reason, and never as a success.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pgssl_wizard.access.attempt import SESSIONS
from pgssl_wizard.cluster.facts import Cluster, Known
from pgssl_wizard.files.hba import Rule, Token
from pgssl_wizard.proof.clients import choose_database, is_literal
from pgssl_wizard.proof.model import Transport, Way
from pgssl_wizard.proof.shown import Shown
from pgssl_wizard.proof.view import Planned, View, place_of, seen_of, views_of

#: Roles and their databases that are tried; a proof has to come to its end while somebody waits.
KNOWN_TRIED = 25
#: Rules that somebody is sent to meet: of a file that nobody has changed, and of a change.
RULES_TRIED = 25
CHANGED_RULES_TRIED = 40
#: Of a long file, among which these are chosen.
_RULES_LOOKED_AT = 2000
#: Roles that are tried as standbys.
STANDBYS_TRIED = 10
#: Names that are put together to find somebody who meets a rule.
_NAMES_TRIED = 6

_OVER_TCP: tuple[Transport, ...] = ("tls", "tcp")


@dataclass(frozen=True, slots=True)
class Planning:
    """What is to be tried, and how many more ways are known."""

    ways: tuple[Planned, ...]
    left_out: int = 0


def plan_ways(
    cluster: Cluster,
    addresses: Sequence[str],
    *,
    known: Sequence[Known] = (),
    shown: Sequence[Shown] = (),
    before: Cluster | None = None,
) -> Planning:
    """Return the ways in over TCP that a proof tries from here.

    Args:
        cluster: whose settings and rules say what ought to happen.
        addresses: from which this machine can connect, the usual one first.
        known: who is known to come in, the most important first.
        shown: client certificates at hand, of which each role shows its own.
        before: the cluster before the change; then every rule that was changed is met where that is possible from here, and ways that
            were open and have to be shut are told apart. None: the rules that stand are met.
    """
    views = views_of(cluster, addresses)
    past = views_of(before, addresses) if before is not None else None
    over_tcp = [each for each in known if not each.over_socket and not each.administrator]
    found: dict[tuple[object, ...], Planned] = {}
    roles, left_out = _of_known(views, over_tcp, shown)
    standbys, more = _of_standbys(views, over_tcp)
    met, still_more = _of_rules(views, past, over_tcp)
    for each in itertools.chain(roles, standbys, met):
        way = each.way
        key: tuple[object, ...] = (way.who, way.database, way.replication, way.address, way.transport, way.certificate)
        if way.kind == "rule" and not each.possible:
            # A line that a change alters stands there twice, and nobody meets it either way.
            key = (way.rule,)
        if key not in found:
            found[key] = each if past is None or not each.possible else _told_apart(each, past)
    return Planning(tuple(found.values()), left_out + more + still_more)


def in_words(way: Way) -> str:
    """Return a way in as a person reads it, `role app at database app over TLS`."""
    if way.kind == "administrator":
        return "the administrator's own way in"
    if way.kind == "rule" and way.address is None:
        return f"somebody who meets {way.rule}"
    place = "as a standby" if way.replication else f"at database {printable(way.database or way.who)}"
    over = {"socket": "over the socket", "tcp": "over TCP without TLS", "tls": "over TLS"}[way.transport]
    return f"role {printable(way.who)} {place} {over}{'' if way.certificate == 'none' else f' with its certificate ({way.certificate})'}"


def printable(text: str) -> str:
    """Return a name or a message as it can be shown anywhere: bytes that are no UTF-8, and signs that steer a terminal, are replaced."""
    if text.isprintable():
        return text
    clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in clean)


def objection(ways: Iterable[Way]) -> str | None:
    """Return the first way that is not as promised, in a sentence without its full stop, with the server's words; None when all are."""
    wrong = [each for each in ways if not each.as_expected]
    if not wrong:
        return None
    first = wrong[0]
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    if first.kind == "administrator":
        return f"the administrator's own way in is shut: {first.message or 'refused'}{more}"
    was, did = {"accept": ("let in", "was refused"), "reject": ("refused", "was let in")}[first.expected]
    by = f", by {first.rule}" if first.rule else ""
    said = f": {printable(first.message.splitlines()[0])}" if first.message else ""
    return f"{in_words(first)} was to be {was}{by}, and {did}{said}{more}"


def _told_apart(planned: Planned, views: Sequence[View]) -> Planned:
    """Return the same way, marked where it was open before and has to be shut."""
    way = planned.way
    past = next(each for each in views if each.address == way.address)
    if way.expected == "accept" or (way.transport == "tls" and not past.book.offers_tls):
        return planned
    before = past.decide(past.attempt(way.who, way.database, way.transport, replication=way.replication, shown=seen_of(planned.shown)))
    return dataclasses.replace(planned, way=dataclasses.replace(way, closed=True)) if before.decision == "accept" else planned


def _of_known(views: Sequence[View], known: Sequence[Known], shown: Sequence[Shown]) -> tuple[list[Planned], int]:
    """Return the ways of roles that are known, each role before the second database of any."""
    by_place: dict[tuple[str, str], list[Known]] = {}
    for each in known:
        if not each.replication:
            by_place.setdefault((each.user, each.database), []).append(each)
    first = dict.fromkeys(user for user, _ in by_place)
    firsts = [next(place for place in by_place if place[0] == user) for user in first]
    places = [*firsts, *(place for place in by_place if place not in set(firsts))]
    own = {each.role: each for each in reversed(shown) if each.state == "right"}
    found = []
    for user, database in places[:KNOWN_TRIED]:
        for transport in _OVER_TCP:
            way = Way(user, "known", transport, database)
            found.append(_as_they_come(views, way, by_place[user, database]))
            if transport == "tls" and user in own:
                found.append(_as_they_come(views, way, by_place[user, database], own[user]))
    # Who holds a kit is expected, seen or not.
    for role in (role for role in own if role not in first):
        client = choose_database(views[0].cluster, views[0].address, role)
        found.append(views[0].plan(Way(role, "known", "tls", client.database), own[role]))
    return found, max(0, len(places) - KNOWN_TRIED)


def _of_standbys(views: Sequence[View], known: Sequence[Known]) -> tuple[list[Planned], int]:
    """Return the ways of standbys that are known, or of the roles that the rules for replication let in."""
    by_role: dict[str, list[Known]] = {}
    for each in known:
        if each.replication:
            by_role.setdefault(each.user, []).append(each)
    if by_role:
        ways = [(Way(role, "replication", transport, replication=True), by_role[role]) for role in by_role for transport in _OVER_TCP]
        return [_as_they_come(views, way, who) for way, who in ways[: STANDBYS_TRIED * 2]], max(0, len(by_role) - STANDBYS_TRIED)
    found: dict[str, View] = {}
    for rule in views[0].cluster.rules:
        if rule.type == "local" or rule.method == "reject" or not any(map(_is_replication, rule.databases)):
            continue
        view = next((each for each in views if each.reaches(rule)), views[0])
        for role in _who_meets(view, rule, []):
            found.setdefault(role, view)
    planned = [view.plan(Way(role, "replication", transport, replication=True)) for role, view in found.items() for transport in _OVER_TCP]
    return planned[: STANDBYS_TRIED * 2], max(0, len(found) - STANDBYS_TRIED)


def _as_they_come(views: Sequence[View], way: Way, known: Sequence[Known], shown: Shown | None = None) -> Planned:
    """Return the way of somebody who is known, which is not to be tried where a rule for another address lets them in."""
    over_tls_or_not = [each for each in known if each.tls or not each.gss]
    elsewhere: Rule | None = None
    for view in views:
        here = view.attempt(way.who, way.database, way.transport, replication=way.replication, shown=seen_of(shown))
        ours = view.decide(here).rule
        for each in over_tls_or_not:
            there = dataclasses.replace(here, address=each.address or each.host_name, host_name=each.host_name or None)
            theirs = ours if each.address == view.address else view.decide(there).rule
            if theirs is ours:
                return view.plan(way, shown)
            elsewhere = elsewhere or theirs
    view = views[0]
    planned = view.plan(way, shown)
    if not over_tls_or_not:
        return _not_tried(planned, "it comes under GSS encryption, which is not tried")
    origin = next((each.address or each.host_name for each in known), "")
    decides = f"{planned.way.rule} decides" if planned.way.rule else "no rule matches"
    words = f"its rule is for {_addresses(elsewhere)}" if elsewhere else f"no rule is for {origin}"
    return _not_tried(planned, f"{words}; from here ({view.address}) {decides}")


def _not_tried(planned: Planned, why: str) -> Planned:
    return dataclasses.replace(planned, way=dataclasses.replace(planned.way, message=why, address=None), possible=False)


def _of_rules(views: Sequence[View], past: Sequence[View] | None, known: Sequence[Known]) -> tuple[list[Planned], int]:
    """Return ways that meet rules: those that a change took, made or altered; without a change those that stand."""
    rules = views[0].cluster.rules
    if past is None:
        wanted = [(rule, views) for rule in rules if rule.type != "local"]
        limit = RULES_TRIED
    else:
        # Lines move, and that changes nothing for anybody; what is left of them after their place is what they say.
        old_rules = past[0].cluster.rules
        now, then = ({rule[3:] for rule in each} for each in (rules, old_rules))
        wanted = [(rule, past) for rule in old_rules if rule[3:] not in now]
        wanted += [(rule, views) for rule in rules if rule[3:] not in then]
        limit = CHANGED_RULES_TRIED
    found: list[Planned] = []
    # Those that somebody can meet from here come first.
    near = sorted(wanted[:_RULES_LOOKED_AT], key=lambda each: not any(view.reaches(each[0]) for view in each[1]))
    for rule, of in near[:limit]:
        if rule.error or rule.type == "hostgssenc":
            continue
        met = False
        for theirs, view in zip(of, views, strict=True):
            ways = list(_meeting(rule, theirs, known)) if theirs.reaches(rule) else []
            found += [view.plan(way) for way in ways]
            if ways:
                met = True
                break
        if not met and past is not None:
            found.append(_unmet(rule, of))
    return found, max(0, len(wanted) - limit)


def _unmet(rule: Rule, views: Sequence[View]) -> Planned:
    """Return what stands for a rule that nobody meets from here."""
    transport: Transport = "tls" if rule.type == "hostssl" else "socket" if rule.type == "local" else "tcp"
    if rule.type == "local":
        why = "for the socket, where only the administrator's own way in is tried"
    elif not any(view.reaches(rule) for view in views):
        why = f"for {_addresses(rule)}; from here ({views[0].address}) nobody meets it"
    else:
        why = "met by nobody who is known here: lines before it decide, or nobody is found whom it means"
    who = rule.users[0].text if rule.users else "all"
    return Planned(Way(who, "rule", transport, message=f"it is {why}", rule=place_of(rule)), possible=False)


def _meeting(rule: Rule, view: View, known: Sequence[Known]) -> Iterator[Way]:
    """Yield one attempt for each kind of session that a rule takes, made up so that this rule is the first to match it."""
    replication = _for_replication(rule)
    databases = [""] if replication else _databases(rule)
    for transport, session in (("tls", 2), ("tcp", 1)):
        if session not in SESSIONS.get(rule.type, frozenset()):
            continue
        over: Transport = "tls" if transport == "tls" else "tcp"
        for user, database in itertools.islice(itertools.product(_who_meets(view, rule, known), databases), _NAMES_TRIED * 3):
            place = user if database == "sameuser" else database
            if view.decide(view.attempt(user, place, over, replication=replication)).rule is rule:
                yield Way(user, "rule", over, place, replication)
                break


def _who_meets(view: View, rule: Rule, known: Sequence[Known]) -> list[str]:
    """Return names of roles that a rule may mean."""
    server = view.cluster.server
    roles = list(server.roles) if server else []
    found: dict[str, None] = {}
    usual = [each.user for each in known] + ([server.user] if server else []) + ["postgres"]
    for token in rule.users:
        if is_literal(token):
            found[token.text] = None
        elif token.text == "all":
            able = server.privileged if server and any(map(_is_replication, rule.databases)) else ()
            found |= dict.fromkeys([*able, *usual])
        elif token.text[:1] == "+" and server is not None and server.memberships is not None:
            found |= dict.fromkeys(role for role, of in server.memberships.items() if token.text[1:] in of)
            found[token.text[1:]] = None
        else:
            # An expression: whoever it fits is found by asking the rules.
            found |= dict.fromkeys([*usual, *roles])
    return list(found)[:_NAMES_TRIED]


def _databases(rule: Rule) -> list[str]:
    """Return names of databases that a rule may mean; `sameuser` stands for the one named like the role."""
    found: dict[str, None] = {}
    for token in rule.databases:
        if is_literal(token):
            found[token.text] = None
        else:
            found |= {"sameuser" if token.text in {"sameuser", "samerole", "samegroup"} else "postgres": None}
    return list(found)[:_NAMES_TRIED]


def _for_replication(rule: Rule) -> bool:
    """Whether a rule over TCP lets nobody in but standbys."""
    keyword = [token for token in rule.databases if _is_replication(token)]
    return rule.type not in {"local", ""} and len(keyword) == len(rule.databases) > 0


def _is_replication(token: Token) -> bool:
    return token.text == "replication" and not token.quoted


def _addresses(rule: Rule | None) -> str:
    if rule is None:
        return "nobody"
    return f"{rule.address} {rule.netmask}" if rule.netmask else rule.address or "the socket"
