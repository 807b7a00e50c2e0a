"""Who gets in, and how the rules that decide it change."""
