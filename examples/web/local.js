/** Requests to the local stack, at the page's own address. It is not part of the product: a site has its own login. */

/**
 * @param {string} method @param {string} path @param {object} [body]
 * @returns {Promise<{ status: number, body: any }>}
 */
export async function ask(method, path, body) {
  /** @type {RequestInit} */
  const request = { method, headers: { "content-type": "application/json" }, cache: "no-store" };
  if (body) request.body = JSON.stringify(body);
  const response = await fetch(path, request);
  // A stand-in refuses with status 200, because the browser logs any other status as an error.
  const status = Number(response.headers.get("x-local-status") ?? response.status);
  return { status, body: await response.json().catch(() => null) };
}

/** Returns random digits that do not begin with 0. @param {number} count */
export function digits(count) {
  const [number = 0] = crypto.getRandomValues(new Uint32Array(1));
  const least = 10 ** (count - 1);
  return String(least + (number % (9 * least)));
}
