// WebSockets, as far as terminals and tunnels have them in common.

/** Waits until a socket is open; `false` where it does not come to that. Why, a socket does not tell. */
export async function opened(socket: WebSocket, signal: AbortSignal | undefined): Promise<boolean> {
  let abort: (() => void) | undefined;
  const open = await new Promise<boolean>((resolve) => {
    abort = () => {
      socket.close();
      resolve(false);
    };
    socket.addEventListener("open", () => {
      resolve(true);
    });
    for (const end of ["error", "close"]) {
      socket.addEventListener(end, () => {
        resolve(false);
      });
    }
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
  });
  if (abort) signal?.removeEventListener("abort", abort);
  return open;
}

/** Waits, no longer than until the signal aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}
