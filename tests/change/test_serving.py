"""What counts as the server not taking its files."""

from __future__ import annotations

from pgssl_wizard.change.serving import not_taken

REFUSED = (
    'private key file "server.key" has group or world access',
    "SSL configuration was not reloaded",
)


def test_the_reason_comes_with_the_refusal() -> None:
    """Each sentence once, in the server's order."""
    assert not_taken((*REFUSED, *REFUSED)) == REFUSED


def test_somebodys_edit_that_waits_for_a_restart_is_no_refusal_of_ours() -> None:
    """The server says that it applied the rest."""
    said = (
        'parameter "shared_buffers" cannot be changed without restarting the server',
        'configuration file "postgresql.conf" contains errors; unaffected changes were applied',
    )
    assert not_taken(said) == ()


def test_a_map_file_that_was_broken_before_is_not_held_against_us() -> None:
    """Unless we are the ones who changed it."""
    said = ("pg_ident.conf was not reloaded",)
    assert not_taken(said, ignore=("pg_ident.conf",)) == ()
    assert not_taken(said) == said
