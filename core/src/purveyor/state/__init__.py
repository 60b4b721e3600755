"""What is remembered between calls and between processes."""
