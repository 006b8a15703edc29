"""Access: who there is, for whom they act, and how they prove it.

Owns      people, organisations, memberships and roles, size declarations, sessions, signing keys
Tells     access.person_changed, access.organisation_changed
Hears     catalogue.region_changed, catalogue.facility_changed (names, for pages)
"""
