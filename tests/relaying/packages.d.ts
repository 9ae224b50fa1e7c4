// What is used of packages that are installed beside the packed one only.
type Listener = (
  request: import("node:http").IncomingMessage,
  response: import("node:http").ServerResponse,
) => void;

declare module "@hono/node-server" {
  export function getRequestListener(fetch: (request: Request) => Promise<Response>): Listener;
  export function serve(options: {
    fetch: (request: Request) => Response | Promise<Response>;
    port: number;
    hostname: string;
  }): import("node:http").Server;
}

declare module "express" {
  interface App extends Listener {
    all(path: string, listener: Listener): void;
  }
  export default function express(): App;
}

declare module "fastify" {
  interface App {
    server: import("node:http").Server;
    removeAllContentTypeParsers(): void;
    addContentTypeParser(
      type: string,
      parse: (request: unknown, payload: unknown, done: (error: null) => void) => void,
    ): void;
    all(path: string, handle: (request: { raw: Parameters<Listener>[0] }, reply: Reply) => void): void;
    ready(): Promise<unknown>;
  }
  interface Reply {
    raw: Parameters<Listener>[1];
    hijack(): void;
  }
  export default function fastify(): App;
}

declare module "hono" {
  export class Hono {
    all(path: string, handle: (context: { req: { raw: Request } }) => Promise<Response>): void;
    fetch: (request: Request) => Response | Promise<Response>;
  }
}
