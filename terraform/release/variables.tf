# --- given by the pipeline -------------------------------------------------------------------

variable "app" {
  description = "The application. Begins the name of every launch template and group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9]|-[a-z0-9])*$", var.app)) && length(var.app) <= 32
    error_message = "app is 1 to 32 of a-z 0-9 -, beginning with a letter, without two hyphens in a row or one at the end."
  }
}

variable "environment" {
  description = "The environment, which has a state of its own."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9]|-[a-z0-9])*$", var.environment)) && length(var.environment) <= 32
    error_message = "environment is 1 to 32 of a-z 0-9 -, beginning with a letter, without two hyphens in a row or one at the end."
  }
}

variable "releases" {
  description = "The releases that exist, by name (r000124). The sizes are those at birth; `facts` is what the instances learn of their release. `policies` and `schedules` are the names that it was made with; all of today's if null."
  type = map(object({
    ami_id           = string
    instance_type    = string
    min_size         = number
    max_size         = number
    desired_capacity = number
    facts            = optional(map(string), {})
    policies         = optional(list(string))
    schedules        = optional(list(string))
  }))
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.releases) : can(regex("^r[0-9]{6}$", name))])
    error_message = "A release is named r and six digits, for example r000124."
  }

  validation {
    condition     = alltrue([for release in var.releases : can(regex("^ami-([0-9a-f]{8}|[0-9a-f]{17})$", release.ami_id))])
    error_message = "ami_id is an AMI id, for example ami-0123456789abcdef0."
  }

  validation {
    condition     = alltrue([for release in var.releases : can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", release.instance_type))])
    error_message = "instance_type is a family and a size, for example t3.micro."
  }

  validation {
    condition = alltrue([
      for release in var.releases :
      0 <= release.min_size && release.min_size <= release.desired_capacity && release.desired_capacity <= release.max_size
    ])
    error_message = "The sizes must be 0 <= min_size <= desired_capacity <= max_size."
  }

  validation {
    condition = alltrue(flatten([
      for release in var.releases :
      [for size in [release.min_size, release.desired_capacity, release.max_size] : floor(size) == size]
    ]))
    error_message = "The sizes must be whole numbers."
  }
}

# --- where the instances run -----------------------------------------------------------------

variable "subnet_ids" {
  description = "The subnets of the groups: all in one VPC, one or more per availability zone that the load balancer serves."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) > 0 && alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "subnet_ids is one or more subnet ids, for example [\"subnet-0123456789abcdef0\"]."
  }
}

variable "security_group_ids" {
  description = "The security groups of the instances. They must let the load balancer in."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.security_group_ids) > 0 && alltrue([for id in var.security_group_ids : can(regex("^sg-[0-9a-f]+$", id))])
    error_message = "security_group_ids is one or more security group ids, for example [\"sg-0123456789abcdef0\"]."
  }
}

variable "instance_profile" {
  description = "The instance profile, by name or ARN; none if null."
  type        = string
  default     = null

  validation {
    condition     = var.instance_profile == null || can(regex("^(arn:[a-z-]+:iam::[0-9]{12}:instance-profile/)?[A-Za-z0-9+=,.@_/-]+$", var.instance_profile))
    error_message = "instance_profile is a name or an ARN of an instance profile (not of a role)."
  }
}

variable "key_name" {
  description = "The EC2 key pair for SSH; none if null. Session Manager needs none."
  type        = string
  default     = null
}

# --- what the instances are ------------------------------------------------------------------

variable "user_data" {
  description = "Shell commands that run as root at the first boot, after the release's facts are written. Taken as they are: nothing in them is evaluated by Terraform."
  type        = string
  default     = ""
  nullable    = false
}

variable "user_data_template" {
  description = "A template file that takes the place of the module's own (user-data.sh.tftpl). It gets app, environment, release, release_json, user_data and vars."
  type        = string
  default     = null
}

variable "user_data_vars" {
  description = "What user_data_template finds in `vars`."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "root_volume" {
  description = "The root volume. `device_name` must be the image's: null means the fact `root_device`, else /dev/xvda (Amazon Linux; Ubuntu and Debian have /dev/sda1). A `size` (GiB) of null is the image's. A KMS key of your own must allow the role of Auto Scaling."
  type = object({
    device_name = optional(string)
    size        = optional(number)
    type        = optional(string, "gp3")
    encrypted   = optional(bool, true)
    kms_key_id  = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.root_volume.device_name == null || can(regex("^/dev/[a-z0-9]+$", var.root_volume.device_name))
    error_message = "root_volume.device_name is a device such as /dev/xvda."
  }

  validation {
    condition     = try(var.root_volume.size >= 1 && var.root_volume.size <= 16384 && floor(var.root_volume.size) == var.root_volume.size, var.root_volume.size == null)
    error_message = "root_volume.size is a whole number of GiB, 1 to 16384."
  }

  validation {
    condition     = contains(["gp2", "gp3"], var.root_volume.type)
    error_message = "root_volume.type is gp3 or gp2."
  }

  validation {
    condition     = var.root_volume.encrypted || var.root_volume.kms_key_id == null
    error_message = "root_volume.kms_key_id needs root_volume.encrypted."
  }
}

variable "metadata_hop_limit" {
  description = "How many network hops an answer of the metadata service may take: 1, or 2 for containers on the instance. IMDSv2 is always required."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([1, 2], var.metadata_hop_limit)
    error_message = "metadata_hop_limit is 1 or 2."
  }
}

variable "metadata_tags" {
  description = "Whether instances read their tags from the metadata service. Tag keys must then have no space and no slash."
  type        = bool
  default     = false
  nullable    = false
}

variable "detailed_monitoring" {
  description = "Metrics every minute in place of every five, at a price per instance. Target tracking reacts sooner with it."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags of everything: launch templates, groups, instances, volumes and network interfaces."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.tags) : key != "Name" && !can(regex("^(?i)(aws|ami-pipeline):", key))])
    error_message = "Name, aws:... and ami-pipeline:... are reserved."
  }

  validation {
    condition     = length(var.tags) <= 40
    error_message = "At most 40 tags: AWS allows 50, and the module adds its own."
  }
}

# --- how the groups behave -------------------------------------------------------------------

variable "health_check_type" {
  description = "ELB: what the load balancer finds unhealthy is replaced, once the group serves. EC2: only what EC2 itself finds broken."
  type        = string
  default     = "ELB"
  nullable    = false

  validation {
    condition     = contains(["EC2", "ELB"], var.health_check_type)
    error_message = "health_check_type is ELB or EC2."
  }
}

variable "health_check_grace_period" {
  description = "Seconds after an instance is in service before its failing health checks count. Longer than the slowest start, or instances are replaced for ever."
  type        = number
  default     = 120
  nullable    = false

  validation {
    condition     = var.health_check_grace_period >= 0 && var.health_check_grace_period <= 7200
    error_message = "health_check_grace_period is 0 to 7200 seconds."
  }
}

variable "default_instance_warmup" {
  description = "Seconds until a new instance's metrics count for scaling."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.default_instance_warmup >= 0 && var.default_instance_warmup <= 3600
    error_message = "default_instance_warmup is 0 to 3600 seconds."
  }
}

variable "deregistration_delay" {
  description = "Seconds that the slowest load balancer of the environment drains a connection. Only for the timeout of a deletion; the load balancer itself is not touched."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.deregistration_delay >= 0 && var.deregistration_delay <= 3600
    error_message = "deregistration_delay is 0 to 3600 seconds."
  }
}

variable "lifecycle_hooks" {
  description = "Lifecycle hooks, there before the first launch. `transition` is launching or terminating, `heartbeat_timeout` is in seconds. AWS abandons an instance whose hook nobody completes, unless `default_result` is CONTINUE."
  type = list(object({
    name                    = string
    transition              = string
    heartbeat_timeout       = optional(number, 300)
    default_result          = optional(string, "ABANDON")
    notification_metadata   = optional(string)
    notification_target_arn = optional(string)
    role_arn                = optional(string)
  }))
  default  = []
  nullable = false

  validation {
    condition     = length(distinct(var.lifecycle_hooks[*].name)) == length(var.lifecycle_hooks)
    error_message = "Two lifecycle hooks have one name."
  }

  validation {
    condition     = alltrue([for hook in var.lifecycle_hooks : contains(["launching", "terminating"], hook.transition)])
    error_message = "transition is launching or terminating."
  }

  validation {
    condition     = alltrue([for hook in var.lifecycle_hooks : hook.heartbeat_timeout >= 30 && hook.heartbeat_timeout <= 7200])
    error_message = "heartbeat_timeout is 30 to 7200 seconds."
  }

  validation {
    condition     = alltrue([for hook in var.lifecycle_hooks : contains(["ABANDON", "CONTINUE"], hook.default_result)])
    error_message = "default_result is ABANDON or CONTINUE."
  }
}

variable "termination_policies" {
  description = "Which instance goes first when a group shrinks."
  type        = list(string)
  default     = ["Default"]
  nullable    = false
}

variable "max_instance_lifetime" {
  description = "Seconds after which an instance is replaced; never if null."
  type        = number
  default     = null

  validation {
    condition     = try(var.max_instance_lifetime >= 86400 && var.max_instance_lifetime <= 31536000, var.max_instance_lifetime == null)
    error_message = "max_instance_lifetime is 86400 (a day) to 31536000 seconds (a year)."
  }
}

variable "enabled_metrics" {
  description = "The group metrics in CloudWatch, which cost nothing."
  type        = list(string)
  default     = ["GroupDesiredCapacity", "GroupInServiceInstances", "GroupPendingInstances", "GroupTerminatingInstances", "GroupTotalInstances"]
  nullable    = false
}

variable "scaling_policies" {
  description = "Target tracking, by name. `metric` is cpu (percent), network_in, network_out (bytes a minute) or requests (a minute and instance, of the ALB target group `target_group_arn`)."
  type = map(object({
    metric           = string
    target           = number
    target_group_arn = optional(string)
    disable_scale_in = optional(bool, false)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for policy in var.scaling_policies : contains(["cpu", "network_in", "network_out", "requests"], policy.metric)])
    error_message = "metric is cpu, network_in, network_out or requests."
  }

  validation {
    condition = alltrue([
      for policy in var.scaling_policies :
      (policy.metric == "requests") == can(regex(":targetgroup/[^/]+/[0-9a-f]+$", policy.target_group_arn))
    ])
    error_message = "target_group_arn is the ARN of a target group for the metric requests, and absent for the others."
  }
}

variable "schedules" {
  description = "Scheduled sizes, by name: `recurrence` is a cron expression in `time_zone`; a size of null stays as it is."
  type = map(object({
    recurrence       = string
    time_zone        = optional(string, "Etc/UTC")
    min_size         = optional(number)
    max_size         = optional(number)
    desired_capacity = optional(number)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for schedule in var.schedules : length(split(" ", schedule.recurrence)) == 5])
    error_message = "recurrence has five fields: minute, hour, day of the month, month, day of the week."
  }

  validation {
    condition = alltrue([
      for schedule in var.schedules :
      anytrue([for size in [schedule.min_size, schedule.max_size, schedule.desired_capacity] : size != null])
    ])
    error_message = "A schedule sets at least one of min_size, max_size and desired_capacity."
  }
}
