"""Rules of the catalogue: its words, its vocabulary of techniques, what a record must hold, how files are read."""
