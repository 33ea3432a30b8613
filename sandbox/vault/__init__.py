"""Keys, encrypted Parquet, and the hot store that the engine reads."""
