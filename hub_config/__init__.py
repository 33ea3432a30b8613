"""Configuration of the notebook hub; talks HTTP to the sandbox."""
