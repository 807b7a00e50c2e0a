"""Moving through the wizard: Enter, Escape, typed-ahead keys, explanations."""

from __future__ import annotations

import pytest
from textual.widgets import Input, Static

from pgssl_wizard.answers import complete, parse_set, read_file
from pgssl_wizard.errors import Refused, RolledBack
from pgssl_wizard.screens.apply import ApplyStep
from pgssl_wizard.screens.confirm import ConfirmScreen
from pgssl_wizard.screens.difference import difference
from pgssl_wizard.screens.explain import Explain, lesson
from pgssl_wizard.screens.passphrases import PassphrasesScreen
from pgssl_wizard.screens.proof import ProofStep
from pgssl_wizard.screens.receipt import Receipt
from pgssl_wizard.screens.rules import RuleTable
from pgssl_wizard.screens.save import SaveAnswers
from pgssl_wizard.screens.steps import STEPS
from pgssl_wizard.screens.widgets.fields import Choice, TextField
from pgssl_wizard.screens.widgets.options import Options
from tests.screens.sample import SampleApp, SampleJourney
from tests.screens.walking import ORDER, app, current, every_screen, go_on_to, go_to, settle, shown, top

SIZES = [(80, 24), (120, 40)]


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_nine_enters_lead_from_the_start_to_the_preview(size: tuple[int, int]) -> None:
    async with SampleApp().run_test(size=size) as pilot:
        await settle(pilot)
        seen = []
        for _ in range(9):
            seen.append(current(pilot).KEY)
            await pilot.press("enter")
            await settle(pilot)
        assert seen == list(ORDER[:9])
        assert current(pilot).KEY == "preview"


async def test_enters_typed_faster_than_facts_are_read_wait_their_turn() -> None:
    async with SampleApp().run_test() as pilot:
        await pilot.press(*["enter"] * 9)
        await settle(pilot)
        for _ in range(12):
            await settle(pilot)
        assert current(pilot).KEY == "preview"


async def test_fifty_enters_never_apply() -> None:
    async with SampleApp().run_test() as pilot:
        await pilot.press(*["enter"] * 50)
        for _ in range(12):
            await settle(pilot)
        await pilot.press("A")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ConfirmScreen)
        await pilot.press(*["enter"] * 50)
        await settle(pilot)
        assert isinstance(pilot.app.screen, ConfirmScreen)
        assert app(pilot).journey.change is None


async def test_a_fresh_step_moves_on_with_one_enter_whatever_has_the_focus() -> None:
    async with SampleApp().run_test() as pilot:
        for number, key in enumerate(ORDER[:9]):
            step = await go_to(pilot, key)
            focusable = [widget for widget in step.query("#body *") if widget.focusable and widget.display]
            assert focusable
            for widget in focusable:
                widget.focus()
                await pilot.pause()
                await pilot.press("enter")
                await settle(pilot)
                assert ORDER[number + 1] == current(pilot).KEY
                await pilot.press("escape")
                await settle(pilot)
                assert current(pilot) is step


async def test_escape_walks_back_and_every_answer_is_kept() -> None:
    async with SampleApp().run_test() as pilot:
        await go_to(pilot, "certificate")
        await pilot.press("down", "enter")
        await settle(pilot)
        step = current(pilot)
        step.query_one("#days", TextField).input.value = "90"
        await pilot.press("enter")
        await settle(pilot)
        for _ in range(6):
            await pilot.press("escape")
            await settle(pilot)
        assert current(pilot).KEY == "start"
        await go_to(pilot, "key")
        assert current(pilot).query_one("#days", TextField).value == "90"
        answers = app(pilot).journey.complete()
        assert answers.certificate.intermediate is True
        assert answers.certificate.days == 90


async def test_the_start_screen_says_that_nothing_is_before_it() -> None:
    async with SampleApp().run_test() as pilot:
        await settle(pilot)
        await pilot.press("escape")
        await settle(pilot)
        assert "first screen" in current(pilot).problem


async def test_f1_explains_every_step_and_escape_returns() -> None:
    async with SampleApp().run_test() as pilot:
        async for key in every_screen(pilot):
            if key == "confirm":
                continue
            before = pilot.app.screen
            await pilot.press("f1")
            await settle(pilot)
            assert isinstance(pilot.app.screen, Explain)
            await pilot.press("escape")
            await settle(pilot)
            assert pilot.app.screen is before


@pytest.mark.parametrize("key", ["start", *(spec.key for spec in STEPS)])
def test_every_lesson_says_what_what_if_wrong_and_what_next(key: str) -> None:
    text = lesson(key)
    assert text.startswith("# ")
    assert "## If it is wrong" in text
    assert "## Read next" in text


async def test_a_question_mark_explains_except_in_a_text_field() -> None:
    async with SampleApp().run_test() as pilot:
        step = await go_to(pilot, "names")
        await pilot.press("question_mark")
        await settle(pilot)
        assert isinstance(top(pilot), Explain)
        await pilot.press("escape")
        await settle(pilot)
        field = step.query_one("#add", TextField)
        field.input.focus()
        await pilot.press("question_mark")
        await settle(pilot)
        assert top(pilot) is step
        assert field.value == "?"


@pytest.mark.parametrize(
    ("key", "moves", "words"),
    [
        ("start", 1, "not there yet"),
    ],
)
async def test_what_is_not_there_yet_says_so_and_is_not_chosen(key: str, moves: int, words: str) -> None:
    async with SampleApp().run_test() as pilot:
        step = await go_to(pilot, key)
        await pilot.press(*["down"] * moves, "enter")
        await settle(pilot)
        assert current(pilot) is step
        assert words in step.problem
        assert words in shown(pilot)


async def test_a_ca_made_elsewhere_is_named_where_the_key_is_chosen() -> None:
    async with SampleApp().run_test() as pilot:
        await go_to(pilot, "certificate")
        await pilot.press("down", "down", "down", "enter")
        await settle(pilot)
        assert current(pilot).KEY == "key"
        await pilot.press("down", "down", *"/pki/ca.pem", "down", *"/pki/ca.key", "down", *"cat /run/ca")
        await pilot.press("enter")
        await settle(pilot)
        answers = app(pilot).journey.complete().certificate
        assert (answers.source, str(answers.ca_certificate), str(answers.ca_key)) == ("existing-ca", "/pki/ca.pem", "/pki/ca.key")
        assert answers.ca_passphrase_command == "cat /run/ca"
        await pilot.press("escape", "escape", "up", "up", "up", "enter")
        await settle(pilot)
        assert app(pilot).journey.complete().certificate.source == "new-ca"


@pytest.mark.parametrize(
    ("key", "field", "text", "words"),
    [
        ("names", "add", "10.0.0.0/8", "network"),
        ("names", "add", "db.example.com:5432", "port"),
        ("key", "days", "0", "from 1 to 36500"),
        ("key", "days", "", "whole number"),
        ("key", "days", "9999", "cannot outlive"),
        ("files", "client-ca", "/etc/postgresql/17/main/server.crt", "a file of its own"),
        ("files", "ca-directory", "/var/lib/postgresql/17/main/ca", "must not lie in the data directory"),
    ],
)
async def test_a_wrong_field_says_what_is_wrong_and_keeps_the_step(key: str, field: str, text: str, words: str) -> None:
    async with SampleApp().run_test() as pilot:
        step = await go_to(pilot, key)
        step.query_one(f"#{field}", TextField).input.value = text
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert current(pilot) is step
        assert words in step.problem


async def test_a_name_that_is_typed_is_added_and_ticked() -> None:
    async with SampleApp().run_test() as pilot:
        step = await go_to(pilot, "names")
        field = step.query_one("#add", TextField)
        field.input.focus()
        field.input.value = "failover.example.com"
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert current(pilot) is step
        await pilot.press("enter")
        await settle(pilot)
        assert app(pilot).journey.complete().server.names[0] == "failover.example.com"


async def test_the_chain_redraws_as_the_highlight_moves() -> None:
    async with SampleApp().run_test() as pilot:
        await go_to(pilot, "certificate")
        assert "intermediate ─" not in shown(pilot)
        await pilot.press("down")
        await settle(pilot)
        assert "╭ intermediate ─" in shown(pilot)
        await pilot.press("down")
        await settle(pilot)
        assert "signs" in shown(pilot)
        assert "╭ root" not in shown(pilot)


async def test_plaintext_sessions_make_optional_the_recommendation_and_are_counted_at_their_rule() -> None:
    async with SampleApp(plaintext=2).run_test() as pilot:
        step = await go_to(pilot, "rules")
        assert step.query_one(Options).current.value == "optional"
        assert "! 2 plain" in shown(pilot)
        await pilot.press("up")
        await settle(pilot)
        assert "2 plaintext session(s) must log in with TLS next time" in shown(pilot)


async def test_locking_out_somebody_known_costs_typed_words() -> None:
    async with SampleApp(plaintext=1).run_test() as pilot:
        await go_to(pilot, "rules")
        await pilot.press("up")
        await settle(pilot)
        await go_on_to(pilot, "confirm")
        assert "refused at their next login" in shown(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ConfirmScreen)
        pilot.app.screen.query_one("#word-input", Input).value = "refuse them"
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ProofStep)


async def test_every_view_of_the_preview_shows_what_it_says() -> None:
    async with SampleApp().run_test(size=(120, 40)) as pilot:
        await go_to(pilot, "preview")
        for words in (
            "pg_hba.conf",
            "root CA: PostgreSQL CA",
            "hostnossl all,replication all all reject",
            "Nobody is known",
            "openssl genpkey",
            "falls back to plaintext",
        ):
            assert words in shown(pilot)
            await pilot.press("tab")
            await settle(pilot)


async def test_no_secret_is_shown_in_the_preview() -> None:
    async with SampleApp().run_test() as pilot:
        step = await go_to(pilot, "preview")
        await pilot.press(*["down"] * 9)
        await settle(pilot)
        assert "never shown" in str(step.query_one("#shown", Static).content).replace("\n", " ")


async def test_saved_answers_make_the_same_plan_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("saved") / "answers.toml"
    async with SampleApp().run_test() as pilot:
        await go_to(pilot, "key")
        current(pilot).query_one("#key-type", Choice).index = 1
        await go_to(pilot, "preview")
        await pilot.press("s")
        await settle(pilot)
        assert isinstance(pilot.app.screen, SaveAnswers)
        pilot.app.screen.query_one("#path", Input).value = str(target)
        await pilot.press("enter")
        await settle(pilot)
        journey = app(pilot).journey
        assert journey.recommended is not None
        assert journey.cluster is not None
        by_file = complete(read_file(target), journey.recommended, journey.cluster.data_directory)
        by_option = complete(
            parse_set(["certificate.key=ecdsa-p384"], journey.given.without("certificate.key")),
            journey.recommended,
            journey.cluster.data_directory,
        )
        assert by_file == by_option == journey.complete()


async def test_the_receipt_goes_back_to_an_answer_and_keeps_those_after_it() -> None:
    async with SampleApp().run_test() as pilot:
        await go_to(pilot, "clients")
        await pilot.press("f2")
        await settle(pilot)
        assert isinstance(pilot.app.screen, Receipt)
        assert "CA of your own" in shown(pilot)
        await pilot.press(*["up"] * 5, "enter")
        await settle(pilot)
        assert current(pilot).KEY == "names"
        assert app(pilot).answered["protocol"] == "TLS 1.2 and 1.3"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Refused("the key is unreadable", where="server.key", hint="look at its mode"), "Nothing was changed"),
        (RolledBack("the server kept the old certificate"), "everything is as before"),
        (RuntimeError("boom"), "defect"),
    ],
    ids=["refused", "rolled back", "defect"],
)
async def test_a_change_that_fails_says_how_it_ended_and_goes_back(error: Exception, words: str) -> None:
    async with SampleApp(fails=error).run_test() as pilot:
        await go_on_to(pilot, "proof")
        assert isinstance(pilot.app.screen, ApplyStep)
        assert words in shown(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ApplyStep)
        await pilot.press("escape")
        await settle(pilot)
        assert current(pilot).KEY == "preview"


async def test_a_defect_after_the_files_were_written_does_not_say_that_nothing_was() -> None:
    async with SampleApp(fails=RuntimeError("boom")).run_test(size=(120, 40)) as pilot:
        journey = app(pilot).journey
        assert isinstance(journey, SampleJourney)
        journey.leaves = True
        await go_on_to(pilot, "proof")
        text = shown(pilot)
        assert "what was written stands" in text
        assert "pgssl-wizard rollback" in text
        assert "nothing written yet" not in text


async def test_the_proof_shows_the_table_what_to_hand_over_and_what_to_take_offline() -> None:
    async with SampleApp().run_test(size=(120, 40)) as pilot:
        await go_on_to(pilot, "proof")
        text = shown(pilot)
        for words in ("Proven", "verify-full", "✓ verified", "root.crt", "sslmode=verify-full", "Take offline", "root.key", "Renew by"):
            assert words in text
        await pilot.press("enter")
        await pilot.pause()
    assert pilot.app.return_code == 0


@pytest.mark.parametrize("size", [(40, 10), (60, 18), (200, 60)], ids=["40x10", "60x18", "200x60"])
async def test_unusual_sizes_never_crash(size: tuple[int, int]) -> None:
    async with SampleApp().run_test(size=size) as pilot:
        async for key in every_screen(pilot):
            if size == (40, 10) and key != "confirm":
                assert "80x24" in shown(pilot)


async def test_a_resized_terminal_folds_and_unfolds_the_receipt() -> None:
    async with SampleApp().run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "key")
        assert "Your answers" not in shown(pilot)
        await pilot.resize_terminal(120, 40)
        await settle(pilot)
        assert "Your answers" in shown(pilot)


async def test_ascii_mode_draws_nothing_but_ascii() -> None:
    async with SampleApp(ascii_only=True).run_test() as pilot:
        async for key in every_screen(pilot):
            text = shown(pilot)
            assert text.isascii(), (key, [char for char in text if not char.isascii()])


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_titles_and_sentences_fit(size: tuple[int, int]) -> None:
    async with SampleApp().run_test(size=size) as pilot:
        async for key in every_screen(pilot):
            for place in ("title", "sentence", "strip", "footer", "header"):
                widget = current(pilot).query_one(f"#{place}", Static)
                if not widget.display or not widget.size.width:
                    continue
                longest = max((len(row) for row in str(widget.content).split("\n")), default=0)
                assert longest <= widget.size.width, (key, place, str(widget.content))


def test_a_password_in_a_configuration_file_is_never_drawn() -> None:
    before = b"host all all all ldap ldapserver=x ldapbindpasswd=hunter2\n"
    rows = difference(before, before.replace(b"host ", b"hostssl ")).rows
    assert not any("hunter2" in row.plain for row in rows)
    assert any("hostssl" in row.plain for row in rows)


async def test_passphrases_are_asked_before_the_last_look_and_forgotten_afterwards() -> None:
    """Typed twice where they are new; shown nowhere, and kept in no answers."""
    async with SampleApp().run_test() as pilot:
        await go_to(pilot, "key")
        for field in ("encrypt-ca", "passphrase", "passphrase"):
            pilot.app.screen.query_one(f"#{field}", Choice).action_turn(1)
        assert current(pilot).commit() is None
        await go_to(pilot, "preview")
        plan = app(pilot).journey.plan
        assert plan is not None
        assert set(plan.asks) == {"server-key", "new-ca-key"}
        await pilot.press("A")
        await settle(pilot)
        assert isinstance(pilot.app.screen, PassphrasesScreen)
        await pilot.press("enter")
        assert "nothing is typed yet" in current(pilot).problem
        for what, second in (("new-ca-key", "one"), ("server-key", "another")):
            pilot.app.screen.query_one(f"#{what}-first-input", Input).value = "one"
            pilot.app.screen.query_one(f"#{what}-second-input", Input).value = second
        await settle(pilot)
        await pilot.press("enter")
        assert "differ" in current(pilot).problem
        assert "another" not in shown(pilot)
        pilot.app.screen.query_one("#server-key-second-input", Input).value = "one"
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ConfirmScreen)
        assert app(pilot).secrets == {"new-ca-key": b"one", "server-key": b"one"}
        await pilot.press("A")
        await settle(pilot)
        assert app(pilot).secrets == {}


async def test_arrow_keys_move_between_fields_also_where_the_step_is_longer_than_the_terminal() -> None:
    async with SampleApp().run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "key")
        await pilot.press(*["down"] * 5, "right")
        await settle(pilot)
        assert pilot.app.screen.query_one("#body").max_scroll_y > 0
        for key, field in (("up", "encrypt-ca"), ("down", "passphrase"), ("down", "command-input")):
            await pilot.press(key)
            await settle(pilot)
            assert pilot.app.focused is not None
            assert pilot.app.focused.id == field


async def test_one_rule_is_given_answers_of_its_own_and_is_as_the_others_again() -> None:
    async with SampleApp().run_test(size=(80, 24)) as pilot:
        step = await go_to(pilot, "rules")
        table = step.query_one(RuleTable)
        table.focus()
        table.index = next(number for number, change in enumerate(table.changes) if change.fields[0] == "host")
        before = [change.after for change in table.changes]
        await pilot.press("c", "c")
        await settle(pilot)
        (said,) = app(pilot).journey.complete().clients.rule
        assert said.certificates == "verify-ca"
        assert "clientcert=verify-ca" in " ".join(table.current.after if table.current else ())
        assert "by itself" in shown(pilot)
        await pilot.press("m")
        await settle(pilot)
        pilot.app.screen.query_one("#map", Input).value = "services"
        pilot.app.screen.query_one("#entries", Input).value = "svc = app; CN=x,O=z = y"
        await pilot.press("enter", "enter")
        await settle(pilot)
        assert "map goes with the method cert" in current(pilot).problem
        await pilot.press("c", "c")
        await settle(pilot)
        await pilot.press("m")
        await settle(pilot)
        pilot.app.screen.query_one("#map", Input).value = "services"
        pilot.app.screen.query_one("#entries", Input).value = "svc = app; CN=x,O=z = y"
        await pilot.press("enter", "enter")
        await settle(pilot)
        assert current(pilot).problem == ""
        clients = app(pilot).journey.complete().clients
        assert [(each.system_user, each.role) for each in clients.maps] == [("svc", "app"), ("CN=x,O=z", "y")]
        assert "cert map=services" in " ".join(table.current.after if table.current else ())
        await pilot.press("x")
        await settle(pilot)
        assert app(pilot).journey.complete().clients.rule == ()
        assert [change.after for change in table.changes] == before
