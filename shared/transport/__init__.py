"""Wires. A wire's `publish` answers how many messages are safe on the other side."""
