"""How good predictions are: metrics, pictures, the report, the decision. Knows rows and probabilities only."""
