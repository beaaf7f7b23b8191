variable "name" {
  description = "Names everything, for example web-staging. The limit is the target group's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9]|-[a-z0-9])*$", var.name)) && length(var.name) <= 32
    error_message = "name is 1 to 32 of a-z 0-9 -, beginning with a letter, without two hyphens in a row or one at the end."
  }
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
  nullable    = false
}

# --- network ---------------------------------------------------------------------------------

variable "cidr" {
  description = "The network of the VPC: a /16 to /20, cut into sixteen subnets."
  type        = string
  default     = "10.20.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 20, false)
    error_message = "cidr is an IPv4 network from /16 to /20, for example 10.20.0.0/16."
  }
}

variable "zones" {
  description = "How many availability zones: two at least for an application load balancer, six at most."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = contains([1, 2, 3, 4, 5, 6], var.zones)
    error_message = "zones is 1 to 6."
  }
}

variable "nat" {
  description = "NAT gateways: one (cheap; the others lose the internet with its zone), zone (one each) or none (instances then reach no internet)."
  type        = string
  default     = "one"
  nullable    = false

  validation {
    condition     = contains(["one", "zone", "none"], var.nat)
    error_message = "nat is one, zone or none."
  }
}

# --- load balancer ---------------------------------------------------------------------------

variable "load_balancer" {
  description = "application (ALB and target group) or classic."
  type        = string
  default     = "application"
  nullable    = false

  validation {
    condition     = contains(["application", "classic"], var.load_balancer)
    error_message = "load_balancer is application or classic."
  }
}

variable "pair" {
  description = "Whether two target groups share the listener, for the strategies flip and canary by weight, with a test listener. Only with an application load balancer."
  type        = bool
  default     = false
  nullable    = false
}

variable "test_port" {
  description = "The port of the test listener of a pair. Only the VPC reaches it."
  type        = number
  default     = 9000
  nullable    = false

  validation {
    condition     = var.test_port >= 1 && var.test_port <= 65535 && floor(var.test_port) == var.test_port && !contains([80, 443], var.test_port)
    error_message = "test_port is 1 to 65535, and neither 80 nor 443."
  }
}

variable "clients" {
  description = "Who may reach the load balancer."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = length(var.clients) > 0 && alltrue([for cidr in var.clients : can(cidrhost(cidr, 0))])
    error_message = "clients is one or more networks, for example [\"203.0.113.0/24\"]."
  }
}

variable "certificate_arn" {
  description = "A certificate of ACM: HTTPS then, and HTTP only to redirect (application) or not at all (classic). HTTP alone if null."
  type        = string
  default     = null
}

variable "port" {
  description = "Where the application listens on its instances."
  type        = number
  default     = 8080
  nullable    = false

  validation {
    condition     = var.port >= 1 && var.port <= 65535 && floor(var.port) == var.port
    error_message = "port is 1 to 65535."
  }
}

variable "health_check" {
  description = "How the load balancer checks instances: every `interval` seconds, `healthy` and `unhealthy` are how many checks in a row decide."
  type = object({
    path      = optional(string, "/health")
    interval  = optional(number, 10)
    timeout   = optional(number, 5)
    healthy   = optional(number, 2)
    unhealthy = optional(number, 3)
  })
  default  = {}
  nullable = false

  validation {
    condition     = startswith(var.health_check.path, "/") && var.health_check.timeout < var.health_check.interval
    error_message = "health_check.path begins with /, and timeout is shorter than interval."
  }
}

variable "deregistration_delay" {
  description = "Seconds that requests under way have to end when an instance leaves. A deployment waits as long."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.deregistration_delay >= 1 && var.deregistration_delay <= 3600
    error_message = "deregistration_delay is 1 to 3600 seconds."
  }
}

variable "deletion_protection" {
  description = "Whether the application load balancer refuses to be deleted."
  type        = bool
  default     = false
  nullable    = false
}

# --- instances -------------------------------------------------------------------------------

variable "policy_arns" {
  description = "Policies of the instances' role. It may do nothing without them; arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore allows Session Manager."
  type        = list(string)
  default     = []
  nullable    = false
}
