"""The hub on Kubernetes: pods for people, walls around pods."""
