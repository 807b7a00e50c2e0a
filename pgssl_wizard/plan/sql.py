"""Statements that a plan shows and apply runs: built as syntax trees and printed by PostgreSQL's own parser."""

from __future__ import annotations


def reset_setting(name: str) -> str:
    """Return `ALTER SYSTEM RESET name`, checked by parsing it again."""
    from pglast import ast, parse_sql  # noqa: PLC0415 - 80 ms that only few plans pay
    from pglast.enums.parsenodes import VariableSetKind  # noqa: PLC0415
    from pglast.stream import RawStream  # noqa: PLC0415

    tree = ast.AlterSystemStmt(setstmt=ast.VariableSetStmt(kind=VariableSetKind.VAR_RESET, name=name))
    statement = str(RawStream()(tree))
    parsed = parse_sql(statement)
    assert len(parsed) == 1
    return statement
