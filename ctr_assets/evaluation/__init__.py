"""How good predictions are: metrics, pictures, and the GBT baseline's scorer. Knows rows and probabilities only."""
