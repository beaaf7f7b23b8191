"""Judge calls by an IAM policy: action, resource and conditions.

`policy` and `conditions` read and evaluate policies. `questions` says which permissions a call
needs; `ec2`, `autoscaling`, `balancers`, `s3` and `others` know the services. `roles` keeps roles
and their sessions, `denials` says no in AWS's words, and `judge` puts all of it together. Nothing
here knows moto: what a call refers to is asked through `ports`.
"""
