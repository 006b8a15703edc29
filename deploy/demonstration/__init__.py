"""The demonstration: real facilities, invented people, and three months in which they worked together."""
