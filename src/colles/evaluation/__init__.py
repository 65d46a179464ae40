"""Judge scores against labels: tables and arrays in, figures with intervals out; no pixels, no models."""
