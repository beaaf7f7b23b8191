# Bakes the application into an image, on Packer 1.6.6 or later.
#
# Change the provisioners as the application needs. Which variables the pipeline sets, all of them
# optional: ami-pipeline docs templates

packer {
  required_version = ">= 1.6.6"
}

# --- set by the pipeline ---------------------------------------------------------------------

variable "app" {
  type        = string
  description = "The application's name."
}

variable "version" {
  type        = string
  description = "The version that is baked."
}

variable "environment" {
  type        = string
  default     = ""
  description = "The environment, if each has an image of its own."
}

variable "ami_name" {
  type        = string
  description = "The image's name, which must be unused."
}

variable "region" {
  type        = string
  description = "Where the image is built."
}

variable "ami_regions" {
  type        = list(string)
  default     = []
  description = "Where it is copied to."
}

# One ID, which the pipeline finds by owner and name, so that the image records its source and the
# same bake can be repeated.
variable "source_ami" {
  type        = string
  description = "The image to begin from."
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "Tags of the image and its snapshots."
}

variable "run_tags" {
  type        = map(string)
  default     = {}
  description = "Tags of the instance and the volume it is built on."
}

variable "manifest" {
  type        = string
  default     = ""
  description = "Where Packer writes what it made."
}

variable "packages_file" {
  type        = string
  default     = "packer-packages.txt"
  description = "Where the list of installed packages is downloaded to."
}

# --- set by you, in pipeline.toml under [bake] vars -------------------------------------------

variable "instance_type" {
  type    = string
  default = "t3.micro"
}

variable "ssh_username" {
  type    = string
  default = "ec2-user"
}

# The root volume of Amazon Linux; Ubuntu and Debian have /dev/sda1.
variable "root_device" {
  type    = string
  default = "/dev/xvda"
}

# In GiB; at least the size of the source image.
variable "volume_size" {
  type    = number
  default = 8
}

# Who may reach the instance by SSH while it is built. Packer's own default is everybody. Private
# networks suit a runner in the VPC; elsewhere name the runner's address, as ["203.0.113.7/32"].
variable "ssh_source_cidrs" {
  type    = list(string)
  default = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
}

variable "port" {
  type        = number
  default     = 8080
  description = "Where the application listens."
}

variable "files" {
  type        = list(string)
  default     = []
  description = "What is installed in /opt/<app>: files and folders, or the content of one folder. Empty: the sample."
}

variable "run" {
  type        = string
  default     = ""
  description = "The command that runs the application, with an absolute path."
}

# A secret: [bake] vars_from_env passes it to the provisioner, and it stays out of the image.
variable "token" {
  type      = string
  default   = ""
  sensitive = true
}

source "amazon-ebs" "app" {
  region        = var.region
  source_ami    = var.source_ami
  instance_type = var.instance_type

  ami_name        = var.ami_name
  ami_description = "${var.app} ${var.version}"
  ami_regions     = var.ami_regions
  # Neither ami_users nor ami_groups: the image is private to its account.
  tags            = var.tags
  snapshot_tags   = var.tags
  run_tags        = var.run_tags
  run_volume_tags = var.run_tags

  # The image inherits the encryption of this volume. encrypt_boot would do the same by
  # copying the finished image, which takes minutes.
  launch_block_device_mappings {
    device_name           = var.root_device
    volume_type           = "gp3"
    volume_size           = var.volume_size
    throughput            = 125
    iops                  = 3000
    encrypted             = true
    delete_on_termination = true
  }

  # Instances of the image get IMDSv2 from their launch template, whatever the image says. From
  # Packer 1.7 on (amazon plugin 1.0), add this for the build itself and for whoever launches the
  # image by hand; 1.6.6 refuses both as unknown:
  #
  #   imds_support = "v2.0"
  #   metadata_options {
  #     http_endpoint               = "enabled"
  #     http_tokens                 = "required"
  #     http_put_response_hop_limit = 1
  #   }
  #
  # With amazon plugin 1.2.1 on, temporary_security_group_source_public_ip = true can stand in
  # place of the next line and allows the runner's own address only.
  temporary_security_group_source_cidrs = var.ssh_source_cidrs

  communicator = "ssh"
  ssh_username = var.ssh_username
  ssh_timeout  = "5m"
}

build {
  sources = ["source.amazon-ebs.app"]

  provisioner "file" {
    sources     = concat(["${path.root}/provision/unit"], var.files)
    destination = "/tmp/"
  }

  provisioner "shell" {
    environment_vars = [
      "APP=${var.app}",
      "VERSION=${var.version}",
      "ENVIRONMENT=${var.environment}",
      "PORT=${var.port}",
      "FILES=${join(" ", var.files)}",
      "RUN=${var.run}",
      "TOKEN=${var.token}",
    ]
    # In a file: variables in the command would be visible in the instance's process list.
    use_env_var_file = true
    execute_command  = ". {{ .EnvVarFile }} && sudo -E sh {{ .Path }}"
    script           = "${path.root}/provision/install.sh"
  }

  # What a release brings is read from this list. A system with neither program has none.
  provisioner "shell" {
    inline = ["{ dpkg-query -W || rpm -qa; } >$ROOT/tmp/packages.txt 2>/dev/null || true"]
  }

  provisioner "file" {
    direction   = "download"
    source      = "/tmp/packages.txt"
    destination = var.packages_file
  }

  provisioner "shell" {
    execute_command = "{{ .Vars }} sudo -E sh {{ .Path }}"
    script          = "${path.root}/provision/clean.sh"
  }

  post-processor "manifest" {
    output = var.manifest == "" ? "packer-manifest.json" : var.manifest
    # Packer writes the source's name here, not the build's.
    custom_data = { build = "amazon-ebs.app" }
  }
}
