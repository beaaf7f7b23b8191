# The plugins, for `packer init packer/init` on Packer 1.7 and later.
#
# It is in a folder of its own because Packer 1.6 does not know required_plugins and refuses a
# template with them. A build only reads the template, never this folder.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.2.0, < 2.0.0"
    }
  }
}
