# A service baked as a user would: uploaded, enabled with systemctl, tried on the build machine.

variable "ami_name" { type = string }
variable "transfer" {
  type    = string
  default = "scp"
}
variable "source" { type = string }

source "amazon-ebs" "app" {
  region                   = "us-east-1"
  source_ami               = var.source
  instance_type            = "t3.micro"
  ami_name                 = var.ami_name
  ssh_username             = "ec2-user"
  ssh_file_transfer_method = var.transfer
  tags                     = { Version = var.ami_name }
  snapshot_tags            = { Version = var.ami_name }
}

build {
  sources = ["source.amazon-ebs.app"]

  provisioner "file" {
    source      = "${path.root}/app/"
    destination = "/tmp"
  }
  provisioner "shell" {
    execute_command = "{{ .Vars }} sudo -E sh '{{ .Path }}'"
    inline = [
      "set -eu",
      "mkdir -p $${ROOT:-}/opt/app",
      "cp -p $${ROOT:-}/tmp/server.py $${ROOT:-}/opt/app/",
      "cp $${ROOT:-}/tmp/app.service $${ROOT:-}/etc/systemd/system/",
      "echo ${var.ami_name} > $${ROOT:-}/opt/app/VERSION",
      "sudo systemctl daemon-reload",
      "sudo systemctl enable --now app.service",
      "systemctl is-active app.service",
      "sudo systemctl stop app",
    ]
  }
}
