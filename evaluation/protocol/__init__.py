"""What all comparisons share: split, requests with their negatives, fitting, scores."""
