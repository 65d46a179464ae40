"""The only room with torch in it: loaders, models, training, explanations, export."""
