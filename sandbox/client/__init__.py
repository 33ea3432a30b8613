"""The SDK that an OPC imports in a notebook: httpx and pyarrow only."""
