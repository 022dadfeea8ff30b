"""What `steamline doctor` looks at, a module a kind of server."""
