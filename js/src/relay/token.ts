// Short-lived tokens, for what cannot send headers: an EventSource, a WebSocket.
import { type RelayScope, ROUTES } from "./routes.js";

/** What a token, or an answer of `authorize`, allows in one sandbox. */
export interface Claims {
  sandboxId: string;
  allow: readonly RelayScope[];
}

const HMAC = { name: "HMAC", hash: "SHA-256" };
const encoder = new TextEncoder();
const scopes = new Set<string>(Object.values(ROUTES));

/** Whether every one is a scope that there is. */
export function areScopes(value: unknown): value is readonly RelayScope[] {
  return Array.isArray(value) && value.every((scope) => scopes.has(scope as string));
}

function keyOf(secret: string, use: KeyUsage): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", encoder.encode(secret), HMAC, false, [use]);
}

/** `payload.signature`, both in base64url, so that it stands in a path and in a query as it is. */
export async function sign(secret: string, claims: Claims, expires: number): Promise<string> {
  const payload = encode(encoder.encode(JSON.stringify([claims.sandboxId, claims.allow, expires])));
  const signature = await crypto.subtle.sign(HMAC, await keyOf(secret, "sign"), encoder.encode(payload));
  return `${payload}.${encode(new Uint8Array(signature))}`;
}

/** What a token allows, if it was signed with this secret and still holds. */
export async function verify(secret: string, token: string, now: number): Promise<Claims | undefined> {
  const [payload = "", signature = "", more] = token.split(".");
  const bytes = decode(signature);
  if (!bytes || more !== undefined) return undefined;
  const key = await keyOf(secret, "verify");
  // In constant time, unlike any comparison of strings.
  if (!(await crypto.subtle.verify(HMAC, key, bytes, encoder.encode(payload)))) return undefined;
  const [sandboxId, allow, expires] = JSON.parse(new TextDecoder().decode(decode(payload))) as [
    string,
    RelayScope[],
    number,
  ];
  return now < expires ? { sandboxId, allow } : undefined;
}

function encode(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

function decode(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(plain, (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
