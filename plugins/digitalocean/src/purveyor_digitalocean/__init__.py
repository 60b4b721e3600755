"""DigitalOcean for Purveyor."""
