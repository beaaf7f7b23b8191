# The plugins, for `packer init packer/init` on Packer 1.7 and later.
#
# It stands in a folder of its own because Packer 1.6 knows no required_plugins and refuses a
# template that has one; a build reads the template alone, never this folder.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.2.0, < 2.0.0"
    }
  }
}
