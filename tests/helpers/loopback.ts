// Addresses of this machine that no other program takes in the middle of a test.
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";

const digit = (nines: number) => 1 + (Math.floor(process.pid / 9 ** nines) % 9);

/**
 * A loopback address of this process's own, as long as `127.0.0.1`. All of 127.0.0.0/8 is this machine (RFC 1122,
 * section 3.2.1.3), and the system hands out its ports at 127.0.0.1: a port given up here can be taken again.
 */
export const OWN_ADDRESS = `127.${digit(2)}.${digit(1)}.${digit(0)}`;

let tried = 0;

/** A port that nothing uses, of those that the system does not hand out by itself. */
export async function unusedPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + ((process.pid * 31 + tried++) % 10_000);
    const server = createServer().listen(port);
    try {
      await once(server, "listening");
    } catch {
      continue;
    }
    server.close();
    await once(server, "close");
    return port;
  }
}

/** A port of 127.0.0.1 where connections are refused until it is released. */
export async function refusingPort(): Promise<{ port: number; release: () => void }> {
  // The port of an outgoing connection is taken, and nobody listens at it.
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(client, "connect");
  const release = () => {
    client.destroy();
    server.close();
  };
  return { port: client.localPort ?? NaN, release };
}
