"""The rules of booking. Pure: values in, values or refusals out; no database, no clock, no web."""
