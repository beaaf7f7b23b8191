"""Name what to do about what Packer says, as far as its text says what is wrong."""
