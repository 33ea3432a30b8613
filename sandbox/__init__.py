"""The data sandbox: data goes in encrypted; only private answers and reviewed releases come out."""
