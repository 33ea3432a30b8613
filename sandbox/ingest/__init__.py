"""A dataset's journey: source port, decode, validate, unit and rank, encrypted load."""
