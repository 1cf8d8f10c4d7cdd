"""Asks CometAPI about every due task and hands finished videos to the Copier."""
