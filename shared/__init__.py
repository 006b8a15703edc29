"""What must be the same in every service for the whole to work, and nothing that merely looks the same."""
