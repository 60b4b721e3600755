"""Linode for Purveyor."""
