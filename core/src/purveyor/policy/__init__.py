"""Pure decisions: clock and chance are passed in, nothing is read or written."""
