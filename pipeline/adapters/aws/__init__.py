"""Read and change AWS; the only home of botocore."""
