"""Select what to deploy: an image, a release to go back to, or nothing because nothing changed."""
