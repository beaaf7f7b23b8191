"""Read and change AWS; the only home of boto3."""
