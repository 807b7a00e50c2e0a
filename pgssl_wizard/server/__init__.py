"""The only room that connects to servers and that runs their programs."""
