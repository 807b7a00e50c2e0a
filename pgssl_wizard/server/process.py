"""Running the server's programs; the one door to starting, stopping and reloading servers and to throwaway ones."""

from __future__ import annotations

from pgssl_wizard.server.lifecycle import How, StartFailed, free_port, initdb, reload, start, stop, until
from pgssl_wizard.server.throwaway import Throwaway

__all__ = ["How", "StartFailed", "Throwaway", "free_port", "initdb", "reload", "start", "stop", "until"]
