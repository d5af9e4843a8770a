"""Payment attempts and how they end."""
