"""VirtEngine for Purveyor."""
