"""The timeline of a deployment: phases, members, requests and messages."""
