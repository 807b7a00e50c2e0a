"""The proof: real connections, and what each of them ought to do."""
