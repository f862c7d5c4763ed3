"""What the platform needs when its parts run in containers; the host's part is standard library."""
