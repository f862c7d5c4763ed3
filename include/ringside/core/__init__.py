"""Pure: arrays and numbers in, arrays and numbers out. No file, network, clock or settings."""
