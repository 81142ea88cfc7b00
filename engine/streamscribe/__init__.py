"""streamscribe."""
