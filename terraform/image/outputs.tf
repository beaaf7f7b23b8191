output "id" {
  description = "The image in the provider's region, looked up and found good."
  value       = data.aws_ami.this.id
}

output "name" {
  description = "The image's name."
  value       = data.aws_ami.this.name
}

output "app" {
  description = "The application baked into the image."
  value       = var.app
}

output "app_version" {
  description = "The version baked into the image."
  value       = var.app_version
}

output "root_encrypted" {
  description = "Whether the image's root snapshot is encrypted."
  value = anytrue([
    for device in data.aws_ami.this.block_device_mappings :
    device.device_name == data.aws_ami.this.root_device_name && lookup(device.ebs, "encrypted", "false") == "true"
  ])
}
