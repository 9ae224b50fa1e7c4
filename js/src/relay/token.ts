// Short-lived tokens, for what cannot send headers: an EventSource, a WebSocket. They are JWTs (RFC 7519).
import { jwtVerify, SignJWT } from "jose";
import { invalid } from "../arguments.js";
import { type RelayScope, ROUTES } from "./routes.js";

/** What a token, or an answer of `authorize`, allows in one sandbox. */
export interface Claims {
  sandboxId: string;
  allow: readonly RelayScope[];
}

/** A secret that tokens are signed with, and its name, which stands in them. */
export interface TokenSecret {
  /** The key id, for example a date. */
  id: string;
  /** At least 32 random characters. */
  secret: string;
}

const ALGORITHM = "HS256";
/** So that a token that an app signs for something else is none of the relay's. */
const AUDIENCE = "shoreline-relay";
const encoder = new TextEncoder();
const scopes = new Set<string>(Object.values(ROUTES));

/** Whether every one is a scope that there is. */
export function areScopes(value: unknown): value is readonly RelayScope[] {
  return Array.isArray(value) && value.every((scope) => scopes.has(scope as string));
}

/** The secrets by their ids; the first signs. */
export function secretsOf(given: string | readonly TokenSecret[]): Map<string, Uint8Array> {
  const all = typeof given === "string" ? [{ id: "", secret: given }] : given;
  const secrets = new Map<string, Uint8Array>();
  for (const { id, secret } of all) {
    if (typeof id !== "string" || typeof secret !== "string" || secret.length < 32)
      throw invalid(
        "`tokenSecret` must have at least 32 characters; of several, each has an `id` and a `secret`",
      );
    secrets.set(id, encoder.encode(secret));
  }
  if (secrets.size === 0 || secrets.size < all.length)
    throw invalid("`tokenSecret` must have at least one secret, and no two of the same `id`");
  return secrets;
}

/** A token that holds for `seconds`. */
export function sign(secrets: Map<string, Uint8Array>, claims: Claims, seconds: number): Promise<string> {
  const [[kid, secret]] = secrets as unknown as [[string, Uint8Array]];
  return new SignJWT({ allow: claims.allow })
    .setProtectedHeader({ alg: ALGORITHM, kid })
    .setSubject(claims.sandboxId)
    .setAudience(AUDIENCE)
    .setExpirationTime(Math.ceil(Date.now() / 1000 + seconds))
    .sign(secret);
}

/** What a token allows, if it was signed with one of these secrets and still holds. */
export async function verify(secrets: Map<string, Uint8Array>, token: string): Promise<Claims | undefined> {
  try {
    const { payload } = await jwtVerify(
      token,
      ({ kid = "" }) => {
        const secret = secrets.get(kid);
        if (!secret) throw new Error("an unknown key id");
        return secret;
      },
      { algorithms: [ALGORITHM], audience: AUDIENCE, requiredClaims: ["sub", "exp"] },
    );
    const { sub, allow } = payload;
    return sub !== undefined && areScopes(allow) ? { sandboxId: sub, allow } : undefined;
  } catch {
    return undefined;
  }
}
