"""What the service costs and how fast it is, measured beside what one would write without it."""
