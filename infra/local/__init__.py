"""The local AWS and the simulated CometAPI."""
