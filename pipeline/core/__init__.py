"""What a bake and a deployment are: pure, standard library only."""
