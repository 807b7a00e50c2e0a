"""Style sheet and lessons: data, read through importlib.resources."""

if __name__ != "pgssl_wizard.assets":
    raise ImportError("import this package as pgssl_wizard.assets")
