// What browsers need of `fetch`. They report a server that does not allow the page's origin as one that is not there.

/** How long a server may take to show that it is there, ms. */
const PROBE = 2000;

/**
 * `fetch` past the browser's cache: Firefox keeps a second stream of the same address waiting, for up to a minute,
 * while the first one may still end up in the cache. Where it fails and the server does answer those who may not
 * read it, the error says so.
 */
export async function fetchInPage(input: string, init?: RequestInit): Promise<Response> {
  try {
    return await fetch(input, { ...init, cache: "no-store" });
  } catch (error) {
    const { origin } = (globalThis as { location?: { origin?: string } }).location ?? {};
    if (origin === undefined || init?.signal?.aborted || !(await answers(new URL(input), origin)))
      throw error;
    throw Object.assign(
      new TypeError(
        `the server answers, but not to this page: it must allow the origin ${origin} (startLocal: \`allowOrigins\`)`,
        { cause: error },
      ),
      { code: "CORS" },
    );
  }
}

/** Whether a server of another origin answers a request that carries nothing and whose answer nobody reads. */
async function answers(url: URL, origin: string): Promise<boolean> {
  if (url.origin === origin) return false;
  const init = { mode: "no-cors", credentials: "omit", cache: "no-store" } as const;
  return fetch(url.origin, { ...init, signal: AbortSignal.timeout(PROBE) }).then(
    () => true,
    () => false,
  );
}
