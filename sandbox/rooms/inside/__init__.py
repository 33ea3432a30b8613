"""Programs that run inside a room: they stand alone, and nothing they say is believed without a look."""
