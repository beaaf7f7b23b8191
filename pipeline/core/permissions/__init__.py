"""List the AWS actions that each role needs, and print them as IAM policies."""
