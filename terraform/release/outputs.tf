output "releases" {
  description = "Each release's group and launch template, as they are in AWS: the contract with the pipeline."
  value = {
    for release, group in aws_autoscaling_group.this : release => {
      group_name              = group.name
      group_arn               = group.arn
      launch_template_id      = group.launch_template[0].id
      launch_template_version = group.launch_template[0].version
      # Not the launch template's latest version, which may have been created by hand since.
      ami_id = var.releases[release].ami_id
    }
  }
}
