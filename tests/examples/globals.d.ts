// What the examples use of runtimes whose types are not here.
declare namespace Deno {
  const env: { get(name: string): string | undefined };
  const stdin: { readable: ReadableStream<Uint8Array> };
  const stdout: { writable: WritableStream<Uint8Array> };
  function exit(code: number): never;
}
declare namespace Bun {
  function serve(options: {
    hostname: string;
    port: number;
    idleTimeout: number;
    routes: Record<string, Response | ((request: Request) => Response)>;
  }): { url: URL; stop(force: boolean): Promise<void> };
}
