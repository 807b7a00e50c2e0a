"""The cluster as JSON, in the shape that `inspect` prints."""

from __future__ import annotations

from typing import Any

from pgssl_wizard.cluster.facts import CertificateFact, Cluster, Service, Setting
from pgssl_wizard.proof.serialise import time_to_json


def cluster_to_json(cluster: Cluster) -> dict[str, Any]:
    """Return the value of the key `cluster`."""
    return {
        "data_directory": str(cluster.data_directory),
        "server_version": cluster.server_version,
        "running": cluster.running,
        "owner": cluster.owner,
        "layout": cluster.layout,
        "managed_by": cluster.managed_by,
        "service": service_to_json(cluster.service),
        "tls_built_in": cluster.tls_built_in,
        "files": {
            "postgresql.conf": str(cluster.config_file),
            "pg_hba.conf": str(cluster.hba_file),
            "pg_ident.conf": str(cluster.ident_file),
        },
        "settings": {name: _setting(setting) for name, setting in cluster.settings.items()},
        "certificates": [_certificate(certificate) for certificate in cluster.certificates],
        "rules": rules_to_json(cluster),
    }


def service_to_json(service: Service | None) -> dict[str, str | None] | None:
    """Return how the cluster is started, with the command for each; null is what only its manager decides."""
    if service is None:
        return None
    return {"kind": service.kind, "start": service.start, "restart": service.restart, "reload": service.reload}


def rules_to_json(cluster: Cluster) -> dict[str, int]:
    """Return how many rules there are, and how many accept plaintext, require TLS or a certificate."""
    usable = [rule for rule in cluster.rules if not rule.error]
    accepting = [rule for rule in usable if rule.method != "reject"]
    return {
        "total": len(cluster.rules),
        "accept_plaintext": sum(1 for rule in accepting if rule.type in {"host", "hostnossl", "hostnogssenc"}),
        "require_tls": sum(1 for rule in accepting if rule.type == "hostssl"),
        "require_certificate": sum(
            1 for rule in accepting if rule.method == "cert" or rule.option("clientcert") in {"1", "verify-ca", "verify-full"}
        ),
    }


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "value": setting.value,
        "source": setting.source,
        "file": str(setting.file) if setting.file else None,
        "line": setting.line,
        "in_force": setting.in_force,
    }


def _certificate(certificate: CertificateFact) -> dict[str, Any]:
    return {
        "role": certificate.role,
        "path": str(certificate.path),
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "names": list(certificate.names),
        "not_after": time_to_json(certificate.not_after),
        "sha256": certificate.sha256,
        "key_matches": certificate.key_matches,
    }
