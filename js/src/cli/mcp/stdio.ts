// The protocol on standard input and output, for one client: that which started this program.
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { Session, type Settings } from "./session.js";
import type { SandboxSource } from "./source.js";

/** The largest message. A file that is written is at most a quarter of it. */
const MESSAGE_BYTES = 8 * 1024 * 1024;

/** Serves until the client closes this program's input, or a signal comes; gives the exit code. */
export async function serveStdio(
  source: SandboxSource,
  settings: Settings,
  interrupted: Promise<number>,
): Promise<number> {
  const session = new Session(source, settings);
  const closed = new Promise<number>((resolve) => {
    const over = () => {
      resolve(0);
    };
    session.server.onclose = over;
    process.stdin.once("end", over).once("close", over);
  });
  const transport = new StdioServerTransport(process.stdin, process.stdout, { maxBufferSize: MESSAGE_BYTES });
  await session.server.connect(transport);
  const code = await Promise.race([closed, interrupted]);
  await session.close();
  process.stdin.destroy();
  return code;
}
