"""The published language: every event a service tells the others, one module a teller.

Append only. A field, once published, keeps its name, type and meaning; a new field has a default.
Whatever cannot be said that way becomes a new type ending in `.v2`, told beside the old one.
Events carry the whole state a listener may need, so that nobody has to ask back.
"""
