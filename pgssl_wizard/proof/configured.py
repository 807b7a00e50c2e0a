"""The certificate that the settings name: the running server's own where it could be asked, else those of the files."""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.files.values import boolean
from pgssl_wizard.proof.anchor import leaf_sha256
from pgssl_wizard.proof.model import Configured


def configured_of(cluster: Cluster, in_force: Path | None) -> Configured | None:
    """Return the certificate that the settings name.

    Args:
        cluster: whose files count where nobody could ask the server.
        in_force: what the running server says.

    Returns:
        None where TLS is off in the settings.
    """
    path = in_force or (cluster.path_of("ssl_cert_file") if boolean(cluster.value("ssl")) else None)
    if path is None:
        return None
    try:
        sha256 = leaf_sha256(path.read_bytes())
    except OSError:
        sha256 = None
    return Configured(path, sha256, by_server=in_force is not None)
