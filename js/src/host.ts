// What a runtime's entry knows of it that cannot be asked for.

/** What makes a WebSocket; only those that are not the runtime's own take headers. */
export type WebSocketConstructor = new (
  url: string,
  protocols?: string[],
  options?: { headers: Record<string, string> },
) => WebSocket;

interface Host {
  /** Whether `fetch` sends a stream as it comes. Browsers do it over HTTP/2 only, and fail otherwise. */
  streamsUploads: boolean;
  /** Where a WebSocket is had, where there is no global one. */
  webSocket?: () => Promise<WebSocketConstructor>;
}

export let host: Host = { streamsUploads: false };

/** Each runtime's entry says what is not as in browsers. */
export function useHost(other: Host): void {
  host = other;
}
