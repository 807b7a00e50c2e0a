"""The change: rehearsed, journalled, proved or put back. The only room that writes to the person's files."""
