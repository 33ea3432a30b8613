"""The service: what each person may do, and what is written down about it."""
