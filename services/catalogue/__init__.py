"""The catalogue: what there is and where.

Owns regions, hosts, facilities, equipment and the vocabulary of techniques. Tells every change of a
region, a facility or a piece of equipment. Hears nothing.
"""
