// Verifies a messaging JWT with two independent libraries. Reads {"token", "secret", "kid"}
// from standard input; prints {library: {header, payload}}; fails if a library refuses the token.
import { text } from "node:stream/consumers";
import { jwtVerify } from "jose";
import jsonwebtoken from "jsonwebtoken";

const { token, secret, kid } = JSON.parse(await text(process.stdin));

const keyOf = (header) => {
  if (header.kid !== kid) throw new Error(`unknown kid ${header.kid}`);
  return secret;
};

const viaJsonwebtoken = await new Promise((resolve, reject) =>
  jsonwebtoken.verify(
    token,
    (header, found) => {
      try { found(null, keyOf(header)); } catch (error) { found(error); }
    },
    { algorithms: ["HS256"], complete: true },
    (error, verified) => (error ? reject(error) : resolve(verified)),
  ),
);
const viaJose = await jwtVerify(token, (header) => new TextEncoder().encode(keyOf(header)), {
  algorithms: ["HS256"],
  typ: "JWT",
  requiredClaims: ["external_id", "scope", "iat", "exp"],
});

console.log(JSON.stringify({
  jsonwebtoken: { header: viaJsonwebtoken.header, payload: viaJsonwebtoken.payload },
  jose: { header: viaJose.protectedHeader, payload: viaJose.payload },
}));
