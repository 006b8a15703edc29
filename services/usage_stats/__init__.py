"""usage_stats: how much the equipment was used, and what that means.

Owns: facts heard of others, figures of days counted from them, metrics and their definitions, reports.
Hears: regions, facilities and equipment of the catalogue; opening hours, downtime and bookings. Tells nothing.
"""
