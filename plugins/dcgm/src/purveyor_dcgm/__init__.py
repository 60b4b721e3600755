"""NVIDIA GPUs for Purveyor: what dcgm-exporter says of them, scraped or through Prometheus."""
