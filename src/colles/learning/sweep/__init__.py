"""Search for better settings: a space in the recipe → one JSON file a trial.

Reading such files needs neither torch nor Optuna.
"""
