"""What is there: data directories, settings, certificates, rules, names."""
