"""The files of `lint` as JSON: rows as the server's own views show them, passwords masked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pgssl_wizard.files.hba import Rule
from pgssl_wizard.files.hba_view import row
from pgssl_wizard.files.hosts import HostLine
from pgssl_wizard.files.ident import MapLine
from pgssl_wizard.files.settings import JudgedLine
from pgssl_wizard.findings import Finding
from pgssl_wizard.lint.remarks import separately
from pgssl_wizard.lint.rules import PASSWORDS, words_of
from pgssl_wizard.lint.whole import Report
from pgssl_wizard.plan.secrets import STARS, masked
from pgssl_wizard.proof.serialise import time_to_json

if TYPE_CHECKING:
    from pgssl_wizard.lint.certificates import CertificateLine


def report_to_json(report: Report, major: int) -> dict[str, Any]:
    """Return one element of the list `files`."""
    return {
        "path": str(report.path),
        "kind": report.kind,
        "accepted": report.accepted,
        "rules": [_rule(rule, major, report.validators) for rule in report.rules],
        "settings": [_setting(line) for line in report.settings],
        "maps": [_map(line) for line in report.maps],
        "hosts": [_host(line) for line in report.hosts],
        "role": report.role,
        "certificates": [_certificate(line) for line in report.certificates],
    }


def shown(reports: Iterable[Report]) -> list[Finding]:
    """Return the findings of all files, one for each line, passwords masked."""
    return [
        replace(finding, message=masked(finding.message), hint=None if finding.hint is None else masked(finding.hint))
        for report in reports
        for finding in separately(report.remarks)
    ]


def _rule(rule: Rule, major: int, validators: tuple[str, ...] | None) -> dict[str, Any]:
    shown_as = row(rule, major, validators)
    return {
        "file": str(rule.file),
        "line": shown_as.line,
        "type": shown_as.type,
        "database": _list(shown_as.database),
        "user": _list(shown_as.user),
        "address": shown_as.address,
        "netmask": shown_as.netmask,
        "method": shown_as.method,
        "options": None if shown_as.options is None else [_option(option) for option in shown_as.options],
        "error": words_of(rule),
    }


def _option(option: str) -> str:
    name, _, _ = option.partition("=")
    return f"{name}={STARS}" if name in PASSWORDS else option


def _setting(line: JudgedLine) -> dict[str, Any]:
    return {
        "file": str(line.file) if line.file else None,
        "line": line.line,
        "name": line.name,
        "value": None if line.value is None else masked(line.value),
        "applied": line.applied,
        "error": line.error,
        "message": None if line.message is None else masked(line.message),
    }


def _map(line: MapLine) -> dict[str, Any]:
    refused = line.error is not None
    return {
        "file": str(line.file),
        "line": line.line,
        "map": None if refused else line.map,
        "system_user": None if refused or line.system_user is None else line.system_user.text,
        "role": None if refused or line.role is None else line.role.text,
        "error": line.error,
    }


def _host(line: HostLine) -> dict[str, Any]:
    refused = line.error is not None
    return {
        "file": str(line.file),
        "line": line.line,
        "hosts": None if refused else list(line.hosts),
        "certificate": line.certificate,
        "key": line.key,
        "ca": line.ca,
        "passphrase_command": line.passphrase_command,
        "passphrase_reload": None if refused else line.passphrase_reload,
        "error": line.error,
    }


def _certificate(line: CertificateLine) -> dict[str, Any]:
    return {
        "line": line.line or None,
        "subject": line.subject,
        "issuer": line.issuer,
        "names": list(line.names),
        "not_before": time_to_json(line.not_before),
        "not_after": time_to_json(line.not_after),
        "sha256": line.sha256,
        "key": line.key,
    }


def _list(words: tuple[str, ...] | None) -> list[str] | None:
    return None if words is None else list(words)
