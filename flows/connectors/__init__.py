"""All that Bytewax or a server touches."""
