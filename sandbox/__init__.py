"""The data sandbox: data goes in encrypted; only differentially private answers and reviewed releases come out."""
