"""What happens: plugins, guarded calls, provisioning, views."""
