import { Sandbox } from "shoreline";

export async function POST(request) {
  const sandbox = await Sandbox.create(await request.json());
  const { stdout } = await sandbox.run("echo", { args: ["hello", typeof EdgeRuntime] });
  await sandbox.terminate();
  return new Response(stdout);
}
