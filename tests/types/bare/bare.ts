// What knows neither browsers nor Node, as a library's own project may.
import { Sandbox, ShorelineError } from "shoreline";
import { mountConsole } from "shoreline/console";
import { startLocal } from "shoreline/local";
import { createRelay } from "shoreline/relay";
import { useModule } from "shoreline/slim";

export async function user(): Promise<number | null> {
  await using server = await startLocal({ allowOrigins: ["http://localhost:1"] });
  await using sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  for await (const { line } of sandbox.followOutput(1)) if (line === "end") break;
  const bytes: Uint8Array = await sandbox.readFile("/a");
  await sandbox.writeFile("/b", bytes);
  const result = await sandbox.run("ls");
  // @ts-expect-error an exit code may be absent
  result.exitCode.toFixed();
  return ShorelineError.is(result) ? null : result.exitCode;
}

export const relay = createRelay({ apiKey: "key", authorize: () => ["output"] });
export const close = (element: HTMLElement): void => mountConsole(element, { apiKey: () => "key" }).close();
useModule(() => new Uint8Array());
