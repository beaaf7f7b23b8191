"""What a shell offers while a person types a command."""
