"""Measures the relay from outside: a database of its own, the real daemon, a receiver that costs next to nothing."""
