"""Join the rooms: all stages of a recipe, what is skipped and why."""
