"""What Purveyor and its plugins are tested against: sandboxes with faults, and a guard around the network."""
