// A server and this program prove to each other that they know the key. Neither sends it: when a server has ended,
// any program can listen on its port.
import { createHmac, randomBytes } from "node:crypto";
import { get } from "node:http";

/** What a server is reached and proved by. */
export interface Known {
  url: string;
  apiKey: string;
}

/** Characters that an answer has at most. */
const ANSWER = 1024;

/** Whether the server proves that it knows the key within `ms`. `refused`: nobody listens there. */
export function prove({ url, apiKey }: Known, ms: number): Promise<"proved" | "refused" | "unproved"> {
  const nonce = randomBytes(32).toString("hex");
  // The server knows its own address, so no other server's answer can be passed on.
  const of = (role: "client" | "server") =>
    createHmac("sha256", apiKey).update(`shoreline-local\n${role}\n${url}\n${nonce}`).digest("hex");
  return new Promise((resolve) => {
    const address = `${url}/local/proof?nonce=${nonce}&proof=${of("client")}`;
    let answered = false;
    const asked = get(address, { agent: false, signal: AbortSignal.timeout(Math.ceil(ms)) }, (answer) => {
      answered = true;
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part: string) => {
        text += part;
        if (text.length > ANSWER) asked.destroy();
      });
      answer.on("error", () => undefined);
      answer.on("close", () => {
        resolve(answer.complete && proofIn(text) === of("server") ? "proved" : "unproved");
      });
    });
    asked.on("error", ({ code }: NodeJS.ErrnoException) => {
      resolve(code === "ECONNREFUSED" ? "refused" : "unproved");
    });
    asked.on("close", () => {
      if (!answered) resolve("unproved");
    });
  });
}

function proofIn(text: string): unknown {
  try {
    return (JSON.parse(text) as { proof?: unknown } | null)?.proof;
  } catch {
    return undefined;
  }
}
