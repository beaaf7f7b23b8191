# The names are those of the keys in ami.auto.tfvars.json.

variable "ami_id" {
  description = "The image in the region it was baked in."
  type        = string

  validation {
    condition     = can(regex("^ami-[0-9a-f]{8,17}$", var.ami_id))
    error_message = "ami_id is an AMI id, for example ami-0123456789abcdef0."
  }
}

variable "ami_ids" {
  description = "The image in each region it was copied to, by region."
  type        = map(string)
  default     = {}
}

variable "app" {
  description = "The application baked into the image."
  type        = string
}

variable "app_version" {
  description = "The version baked. Terraform reserves the name `version`."
  type        = string
}
