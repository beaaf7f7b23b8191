# The instances' permissions in the account: none, unless policies are given.

data "aws_partition" "current" {}

data "aws_iam_policy_document" "assumed_by_instances" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.${data.aws_partition.current.dns_suffix}"]
    }
  }
}

resource "aws_iam_role" "instances" {
  name               = "${var.name}-instances"
  description        = "The instances of ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_instances.json
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "instances" {
  for_each = toset(var.policy_arns)

  role       = aws_iam_role.instances.name
  policy_arn = each.value
}

resource "aws_iam_instance_profile" "instances" {
  name = "${var.name}-instances"
  role = aws_iam_role.instances.name
  tags = var.tags
}
