"""The same signing with PyJWT: the secret is read once, at start."""

import json
import os
import time

import boto3
import jwt

_response = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["SIGNING_KEY_SECRET_ID"])
_secret = json.loads(_response["SecretString"])
KID = _secret["activeKid"]
KEY = _secret["keys"][KID]


def handler(event, context):
    try:
        claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
        external_id = claims["sub"]
    except (KeyError, TypeError):
        return {"statusCode": 401, "body": ""}
    now = int(time.time())
    payload = {"scope": "user", "external_id": external_id, "iat": now, "exp": now + 900}
    if "name" in claims:
        payload["name"] = claims["name"]
    if "email" in claims and claims.get("email_verified") == "true":
        payload["email"] = claims["email"]
        payload["email_verified"] = True
    token = jwt.encode(payload, KEY, algorithm="HS256", headers={"kid": KID})
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps({"token": token}),
    }
