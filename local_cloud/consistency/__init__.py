"""Answer reads from past states: AWS's reads are eventually consistent."""
