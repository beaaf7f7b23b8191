"""Look after environments and images: an overview of all, deleting what is not needed."""
