"""The same questions on the same data, asked of the sandbox and of other open systems."""
