"""Booking: who has which equipment when.

Owns      opening hours, rules, prices, downtime, bookings with their states and history; replicas of
          facilities, equipment and organisations
Tells     booking.requested, .approved, .declined, .withdrawn, .expired, .cancelled, .checked_in,
          .completed, .no_show, .opening_hours_changed, .downtime_changed
Hears     catalogue.facility_changed, catalogue.equipment_changed, access.organisation_changed
"""
