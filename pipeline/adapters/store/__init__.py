"""Keep documents in a directory or an S3 prefix, with compare-and-swap."""
