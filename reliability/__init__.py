"""Evidence that what people were promised holds when processes die, servers vanish and vendors misbehave."""
