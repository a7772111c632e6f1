"""What every room may use: errors, records, strict configuration, the run store, seeds, progress, hardware."""
