"""What people outside of the terminal are told of a deployment, and what is still to be sent."""
