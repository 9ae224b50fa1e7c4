// `shoreline console` up to its link, and requests to it.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { ended, start } from "./program.js";

interface Opened {
  origin: string;
  secret: string;
  /** Ends it as Ctrl-C does. */
  stop: () => ReturnType<typeof ended>;
}

/** Starts `shoreline console` and takes its link apart. */
export async function opened(
  t: TestContext,
  args: string[] = [],
  env: Record<string, string> = {},
): Promise<Opened> {
  const child = start(["console", "--no-open", ...args], env);
  t.after(() => child.kill("SIGKILL"));
  const end = ended(child);
  const [chunk] = (await once(child.stdout ?? child, "data")) as [Buffer];
  const [, origin = "", secret = ""] =
    /^(http:\/\/127\.0\.0\.1:\d+)\/console\/#([\w-]{32})\n$/.exec(String(chunk)) ?? [];
  assert.notEqual(secret, "", String(chunk));
  return {
    origin,
    secret,
    stop: () => {
      child.kill("SIGINT");
      return end;
    },
  };
}

/** Status and body of an answer, and its headers. */
export async function post(url: string, body: string, headers: Record<string, string> = {}) {
  const answer = await fetch(url, { method: "POST", body, headers });
  return { status: answer.status, text: await answer.text() };
}
