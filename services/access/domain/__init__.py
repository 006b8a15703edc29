"""The rules of access. Pure: values in, values or refusals out; no database, no clock, no web."""
