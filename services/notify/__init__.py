"""Notify: what people are told, by which way, and whether it reached them.

Hears people, organisations and facilities, and every transition of a booking. Tells nothing to the other
services: what it says goes to people.
"""
