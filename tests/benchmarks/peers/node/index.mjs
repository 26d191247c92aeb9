// The signing of Zendesk's Node sample as a Lambda function: the secret is read once, at start.
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import jwt from "jsonwebtoken";

const command = new GetSecretValueCommand({ SecretId: process.env.SIGNING_KEY_SECRET_ID });
const { SecretString } = await new SecretsManagerClient({}).send(command);
const { activeKid, keys } = JSON.parse(SecretString);

export const handler = async (event) => {
  const claims = event.requestContext?.authorizer?.jwt?.claims;
  if (!claims?.sub) {
    return { statusCode: 401, body: "" };
  }
  const email =
    claims.email && claims.email_verified === "true"
      ? { email: claims.email, email_verified: true }
      : {};
  const token = jwt.sign(
    { scope: "user", external_id: claims.sub, name: claims.name, ...email },
    keys[activeKid],
    { header: { alg: "HS256", typ: "JWT", kid: activeKid }, expiresIn: 900 },
  );
  return {
    statusCode: 200,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: JSON.stringify({ token }),
  };
};
