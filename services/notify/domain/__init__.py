"""The rules of telling: wording, calendar files, mail that is safe to send, when to try again. Pure."""
