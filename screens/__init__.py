"""The wizard's screens, one module a step; they hold no logic and do no I/O."""

if __name__ != "pgssl_wizard.screens":
    raise ImportError("import this package as pgssl_wizard.screens")
