"""The pure centre: odds, features, boosters, staking. No server, no engine."""
