"""Send notifications to Slack, to webhooks, to SNS and to GitHub, without delaying a deployment."""
