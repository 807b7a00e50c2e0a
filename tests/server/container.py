"""A server as a container runs it: process number 1 of its own, its own network, the data directory shared with us."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
from collections.abc import Iterator

from pgssl_wizard.server import namespaces
from tests.servers import RealCluster
from tests.servers.cluster import _until


@functools.cache
def impossible() -> str | None:
    """Return why no such server can be started here; None: it can."""
    if os.geteuid() != 0:
        return "only root makes namespaces here"
    try:
        done = subprocess.run(["unshare", "--pid", "--fork", "--net", "setpriv", "--version"], capture_output=True, check=False)
    except OSError:
        return "there is no unshare here"
    return None if done.returncode == 0 else f"unshare is not permitted here: {done.stderr.decode(errors='replace').strip()}"


@contextlib.contextmanager
def in_container(cluster: RealCluster, *, network: bool = True) -> Iterator[int]:
    """Run the server of a cluster apart from us; yield its process by our numbering.

    Args:
        cluster: not running.
        network: it has a network of its own too.
    """
    identity = cluster.identity
    command = ["unshare", "--pid", "--fork", *(["--net"] if network else [])]
    command += ["setpriv", f"--reuid={identity.uid}", f"--regid={identity.gid}", "--clear-groups"]
    command += [str(cluster.programs.program("postgres")), "-D", str(cluster.data_directory), *cluster.command_line]
    with cluster.log_file.open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=identity.environment())
    server: int | None = None
    try:
        for _ in _until("the server did not get ready in its namespaces"):
            assert process.poll() is None, cluster.log()
            if cluster.running:
                break
        server = namespaces.find(cluster.data_directory, 1)
        assert server is not None
        yield server
    finally:
        if server is None:
            server = namespaces.find(cluster.data_directory, 1)
        if server is None:
            process.kill()
        else:
            os.kill(server, signal.SIGINT)
        process.wait()
