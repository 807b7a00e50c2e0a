"""A request and an import in the wizard: what is asked, what is found in the files, and what stops."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pgssl_wizard.cluster.facts import CertificateFact, Cluster, PendingRequest
from pgssl_wizard.cluster.standing import Imported
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.recommend import recommend
from pgssl_wizard.screens.widgets.fields import TextField
from pgssl_wizard.screens.widgets.options import Options
from tests.screens.sample import CONFIG, DATA, HOME, SampleApp, SampleJourney
from tests.screens.walking import app, current, go_to, settle, shown

_LEAF = CertificateFact(
    role="server",
    path=HOME / "answer.pem",
    subject="CN=db.example.com",
    issuer="CN=Company Issuing",
    names=("db.example.com",),
    not_before=datetime(2026, 11, 24, tzinfo=UTC),
    not_after=datetime(2027, 11, 24, tzinfo=UTC),
    sha256="ab" * 32,
    key_type="ecdsa-p256",
    common_name="db.example.com",
)
_WAITS = PendingRequest(
    record=DATA / "request.json",
    request=HOME / "server.csr",
    key=CONFIG / "server.key.requested",
    place=CONFIG / "server.key",
    names=("db.example.com",),
    key_type="ecdsa-p256",
    public_sha256="cd" * 32,
    made=datetime(2026, 11, 20, tzinfo=UTC),
)


class _Journey(SampleJourney):
    """Files are judged as the test says; a request may wait."""

    waits: PendingRequest | None = None
    found: Imported | None = None
    looks = 0

    def inspect(self, data_directory: Path) -> Cluster:
        """Return the sample cluster with the request."""
        super().inspect(data_directory)
        assert self.cluster is not None
        self.cluster = replace(self.cluster, requested=self.waits)
        self.recommended = recommend(self.cluster, self.given.base)
        return self.cluster

    def judge_import(self) -> Imported | None:
        """Return what the test found."""
        self.looks += 1
        return self.found


def wizard(*, waits: PendingRequest | None = None, found: Imported | None = None) -> SampleApp:
    """The wizard on the sample, with files of the test."""
    made = SampleApp()
    journey = _Journey(given=made.journey.given)
    journey.waits, journey.found = waits, found
    made.journey = journey
    return made


async def test_a_request_is_planned_without_anything_of_the_servers() -> None:
    async with wizard().run_test(size=(120, 40)) as pilot:
        await go_to(pilot, "certificate")
        await pilot.press(*["down"] * 4, "enter")
        await settle(pilot)
        assert current(pilot).query_one("#days").has_class("-gone")
        assert current(pilot).query_one("#request", TextField).value == str(HOME / "server.csr")
        await go_to(pilot, "preview")
        assert "the request" in shown(pilot)
        assert "0 reloads" in shown(pilot)
        plan = app(pilot).journey.plan
        assert plan is not None
        assert [each.role for each in plan.changes] == ["requested-key", "request", "record"]


async def test_files_are_looked_into_before_the_next_step_and_an_error_keeps_it() -> None:
    wrong = Finding("error", "key-mismatch", "No key at hand belongs to it.", "Name its key.", None, "key")
    async with wizard(found=Imported(leaf=_LEAF, findings=(wrong,))).run_test(size=(120, 40)) as pilot:
        await go_to(pilot, "certificate")
        await pilot.press(*["down"] * 5, "enter")
        await settle(pilot)
        step = current(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert current(pilot) is step
        assert "Name the files" in step.problem
        step.query_one("#files", TextField).input.value = "answer.pem, root.pem"
        await pilot.press("enter")
        await settle(pilot)
        assert "No key at hand belongs to it" in shown(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert current(pilot) is step
        journey = app(pilot).journey
        assert isinstance(journey, _Journey)
        assert journey.looks == 1, "the same files are opened once"
        journey.found = Imported(leaf=_LEAF)
        step.query_one("#files", TextField).input.value = "answer.pem"
        await pilot.press("enter")
        await settle(pilot)
        assert "for db.example.com, to 2027-11-24" in shown(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert current(pilot).KEY == "files"
        assert journey.complete().certificate.import_certificate == (HOME / "answer.pem",)


async def test_a_request_that_waits_is_found_and_its_answer_asked_for() -> None:
    async with wizard(waits=_WAITS, found=Imported(leaf=_LEAF)).run_test() as pilot:
        step = await go_to(pilot, "certificate")
        assert step.query_one(Options).current.value == "request"
        assert "Requested on 2026-11-20 for db.example.com" in shown(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "What the CA sent" in shown(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert current(pilot).KEY == "files", "while the CA has not answered, nothing stops"
