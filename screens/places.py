"""Step 5: where the files go, and who owns the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from pgssl_wizard.findings import Finding
from pgssl_wizard.screens.form import FormStep
from pgssl_wizard.screens.step import Meaning
from pgssl_wizard.screens.text import as_ascii, line, lines, short_path
from pgssl_wizard.screens.widgets.fields import Choice, TextField


class PlacesStep(FormStep):
    """Where do the files go?"""

    KEY = "files"
    TITLE = "Where do the files go?"
    SENTENCE = "Relative names mean the data directory."
    FIELDS: ClassVar[Mapping[str, str]] = {
        "certificate": "files.certificate",
        "key": "files.key",
        "client-ca": "files.ca",
        "owner": "files.key_owner",
        "group": "files.key_group",
        "ca-directory": "certificate.ca_directory",
        "settings": "files.settings",
    }

    def fields(self) -> ComposeResult:
        answers = self.app.journey.answers or self.app.journey.complete()
        own = "" if answers.certificate.source == "new-ca" else "-gone"
        yield TextField("Server certificate", self.value_of("files.certificate"), id="certificate", classes="first")
        yield TextField("Its key", self.value_of("files.key"), id="key")
        owners = [("server", "the server's user, mode 0600"), ("root", "root, mode 0640 for a group")]
        yield Choice("Key belongs to", owners, self.value_of("files.key_owner"), id="owner")
        yield TextField("Group for the key", self.value_of("files.key_group"), id="group", placeholder="ssl-cert on Debian")
        yield TextField("Clients' CA, if asked", self.value_of("files.ca"), id="client-ca")
        yield TextField("The CA's own files", self.value_of("certificate.ca_directory"), id="ca-directory", classes=own)
        yield TextField("Settings go into", self.value_of("files.settings"), id="settings", placeholder="where they take effect")
        yield Static(id="said", markup=False)

    def on_mount(self) -> None:
        self._show_group()

    def _show_group(self) -> None:
        self.query_one("#group", TextField).set_class(self.typed("owner") != "root", "-gone")

    def on_choice_changed(self) -> None:
        self._show_group()

    def findings(self) -> list[Finding]:
        return [finding for finding in super().findings() if finding.code != "key-in-data-directory"]

    def redraw_body(self) -> None:
        cluster = self.app.journey.cluster
        rows = [line("")]
        width = self.body_width()
        if cluster and self._inside():
            rows.append(line(("! ", "$pg-warn"), "In the data directory, the key gets into every base backup."))
            if cluster.data_mode & 0o040:
                rows.append(line(("! ", "$pg-warn"), "This data directory is open to its group for backups: put the key outside."))
        rows += self.finding_lines(width)
        content = lines(rows)
        self.query_one("#said", Static).update(as_ascii(content) if self.app.ascii else content)

    def meaning(self) -> Meaning:
        cluster = self.app.journey.cluster
        user = cluster.owner.split(":")[0] if cluster else "the server"
        if self.typed("owner") == "root":
            return Meaning(
                "A key of root's",
                f"a key that {user} can read and not change",
                "membership in the group; a running server must restart once",
                "nothing of this",
            )
        return Meaning(
            "A key of the server's",
            f"a key that only {user} can read",
            "nothing: PostgreSQL looks there by default" if self.typed("key").endswith("server.key") else "nothing",
            "nothing of this; they get root.crt from the CA's directory",
            configuration=(f"ssl_cert_file = '{self.typed('certificate')}'", f"ssl_key_file = '{self.typed('key')}'"),
        )

    def _inside(self) -> bool:
        """Whether the key goes into the data directory."""
        cluster, key = self.app.journey.cluster, self.typed("key")
        return cluster is not None and (not key.startswith("/") or key.startswith(f"{cluster.data_directory}/"))

    def in_words(self) -> str:
        return "data directory" if self._inside() else short_path(self.typed("key").rsplit("/", 1)[0], 20)
