"""PostgreSQL's configuration files, read and edited as the server itself reads them."""
