"""Running Steamline: the local stack without Docker, and the files of a deployment."""
