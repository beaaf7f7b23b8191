"""Keep environments and images tidy: read all of them, delete what is not needed."""
