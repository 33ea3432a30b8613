"""Plug-ins behind the `sandbox.connectors` entry point; they see the source port and nothing else."""
