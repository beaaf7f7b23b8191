"""Refuse calls in AWS's words, in the protocol of their service.

Source: IAM User Guide, "Troubleshoot access denied error messages" (the reason at the end); EC2
API Reference, "Error codes" (UnauthorizedOperation, RequestExpired, AuthFailure); "Common errors"
of the query services; S3 API Reference, "Error responses"; messages as callers report them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from xml.sax.saxutils import escape

from local_cloud.permissions.policy import Decision, Question
from local_cloud.permissions.roles import Session

REASONS = {
    Decision.NOT_ALLOWED: "because no identity-based policy allows the {action} action",
    Decision.DENIED: "with an explicit deny in an identity-based policy",
}
BODIES = {
    "ec2": "<Response><Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors>"
    "<RequestID>{id}</RequestID></Response>",
    "query": '<ErrorResponse xmlns="http://{service}.amazonaws.com/doc/">'
    "<Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
    "<RequestId>{id}</RequestId></ErrorResponse>",
    "rest-xml": "<Error><Code>{code}</Code><Message>{text}</Message>"
    "<RequestId>{id}</RequestId></Error>",
}
INVALID = "The security token included in the request is invalid"
EXPIRED = "The security token included in the request is expired"
REQUEST_ID = "local-cloud-denial"
SNS = "sns:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An answer that refuses a call."""

    status: int
    code: str
    text: str

    def body(self, protocol: str, service: str) -> tuple[str, bytes]:
        """Return the content type and the body in a protocol."""
        if protocol == "json":
            answer = {"__type": self.code, "message": self.text}
            return "application/x-amz-json-1.1", json.dumps(answer).encode()
        filled = BODIES[protocol].format(
            code=self.code, text=escape(self.text), id=REQUEST_ID, service=service
        )
        return "text/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{filled}'.encode()


def denied(protocol: str, who: Session, question: Question, decision: Decision) -> Refusal:
    """Return the refusal of a call that needs a permission its caller does not have."""
    sentence = described(who.arn, question, decision, quoted=protocol == "rest-xml")
    match protocol:
        case "ec2":
            text = f"You are not authorized to perform this operation. {sentence}"
            if question.resource != "*":
                text += f". Encoded authorization failure message: {encoded(question, decision)}"
            return Refusal(status=403, code="UnauthorizedOperation", text=text)
        case "json":
            return Refusal(status=400, code="AccessDeniedException", text=sentence)
    code = "AuthorizationError" if question.action.startswith(SNS) else "AccessDenied"
    return Refusal(status=403, code=code, text=question.because or sentence)


def described(user: str, question: Question, decision: Decision, *, quoted: bool) -> str:
    """Return AWS's sentence about a permission that is missing."""
    where = ""
    if question.resource != "*":
        resource = shown(question)
        where = f' on resource: "{resource}"' if quoted else f" on resource: {resource}"
    # SNS names its actions in capitals.
    action = question.action.replace(SNS, SNS.upper())
    reason = REASONS[decision].format(action=action)
    return f"User: {user} is not authorized to perform: {action}{where} {reason}"


def shown(question: Question) -> str:
    """Return a resource as its service shows it: IAM by type and name, the others by ARN."""
    kind, _, name = question.resource.rpartition(":")[2].partition("/")
    if question.action.startswith("iam:") and question.action != "iam:PassRole" and name:
        return f"{kind.replace('-', ' ')} {name}"
    return question.resource


def encoded(question: Question, decision: Decision) -> str:
    """Return what stands for EC2's encrypted details; nothing can decode it."""
    facts = f"{question.action} {question.resource} {decision.value}".encode()
    return base64.urlsafe_b64encode(hashlib.sha512(facts).digest() * 4).decode().rstrip("=")


def expired(protocol: str) -> Refusal:
    """Return the refusal of credentials that have expired."""
    match protocol:
        case "ec2":
            return Refusal(status=400, code="RequestExpired", text="Request has expired.")
        case "rest-xml":
            text = "The provided token has expired."
            return Refusal(status=400, code="ExpiredToken", text=text)
        case "json":
            return Refusal(status=400, code="ExpiredTokenException", text=EXPIRED)
    return Refusal(status=403, code="ExpiredToken", text=EXPIRED)


def invalid(protocol: str) -> Refusal:
    """Return the refusal of credentials without their session token."""
    match protocol:
        case "ec2":
            text = "AWS was not able to validate the provided access credentials"
            return Refusal(status=401, code="AuthFailure", text=text)
        case "rest-xml":
            text = "The AWS Access Key Id you provided does not exist in our records."
            return Refusal(status=403, code="InvalidAccessKeyId", text=text)
        case "json":
            return Refusal(status=400, code="UnrecognizedClientException", text=f"{INVALID}.")
    return Refusal(status=403, code="InvalidClientTokenId", text=f"{INVALID}.")
