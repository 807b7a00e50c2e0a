"""The headless commands and the way into the wizard."""
