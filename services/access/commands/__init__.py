"""Use cases that change what access owns. Each is handed a unit of work and never commits it."""
