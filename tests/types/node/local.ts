import { createReadStream } from "node:fs";
import { Sandbox } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";

export async function user(): Promise<void> {
  await using server: LocalServer = await startLocal({ allowOrigins: ["http://localhost:5173"] });
  await using sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  for await (const event of sandbox.followOutput(1)) process.stdout.write(event.bytes);
  await sandbox.run("make", { env: process.env, args: process.argv.slice(2) });
  await sandbox.writeFile("/x", createReadStream("x"));
}

// @ts-expect-error origins are a list
export const refused = () => startLocal({ allowOrigins: "*" });
