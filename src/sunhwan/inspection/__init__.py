"""Looking inside: plain functions that return data about a trained model; pictures are apart."""
