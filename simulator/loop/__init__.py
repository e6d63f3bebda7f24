"""Users who answer what is recommended to them: the loop of recommendations, clicks and what is learned from them."""
