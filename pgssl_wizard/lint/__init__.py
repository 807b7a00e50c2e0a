"""What is worth saying of the server's files before the server reads them: what it would refuse, and what it would misunderstand."""
