"""Television: line-up, guide, relay, player and the set itself."""
