"""Commands that keep an account tidy and a shell handy."""
