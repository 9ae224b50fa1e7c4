// The page that `shoreline console` serves.
import { printable } from "../printable.js";
import { mountConsole, type MountedConsole } from "./index.js";

interface Granted {
  apiUrl?: string;
  sandboxApiUrl?: string;
  namespace?: string;
  token: string;
  /** Seconds. */
  expiresIn: number;
  /** Whether everything passes through the command. */
  relayed?: boolean;
}

const KEPT = "shoreline-console";
/** How long another tab has for its answer, ms. */
const ANSWER = 1000;

/**
 * What lets this tab ask for tokens: the link's secret is good once, and what it is changed for as long as the command
 * runs. Tabs of one browser have it from each other.
 */
async function pass(): Promise<string | undefined> {
  const link = location.hash.slice(1);
  if (link !== "" && !link.startsWith("/")) {
    // Neither in the history nor in what people copy.
    history.replaceState(null, "", location.pathname);
    const { pass } = await ask<{ pass: string }>("/pass", link);
    sessionStorage.setItem(KEPT, pass);
    return pass;
  }
  const mine = sessionStorage.getItem(KEPT) ?? (await fromAnotherTab());
  if (mine !== undefined) sessionStorage.setItem(KEPT, mine);
  return mine;
}

/** Only pages of this origin, which the command serves, can ask or answer here. */
function fromAnotherTab(): Promise<string | undefined> {
  const tabs = new BroadcastChannel(KEPT);
  return new Promise((resolve) => {
    const end = (given?: string) => {
      tabs.close();
      resolve(given);
    };
    const timer = setTimeout(end, ANSWER);
    tabs.onmessage = ({ data }: MessageEvent<{ pass?: string }>) => {
      if (typeof data.pass !== "string") return;
      clearTimeout(timer);
      end(data.pass);
    };
    tabs.postMessage({});
  });
}

function answerTabs(mine: string): void {
  const tabs = new BroadcastChannel(KEPT);
  tabs.onmessage = ({ data }: MessageEvent<{ pass?: string }>) => {
    if (data.pass === undefined) tabs.postMessage({ pass: mine });
  };
}

async function ask<T>(path: string, secret: string): Promise<T> {
  const answer = await fetch(path, { method: "POST", body: secret }).catch(() => {
    throw new Error("`shoreline console` has ended: start it again, and open the link that it prints");
  });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as T;
}

/** WebSockets that send the token as their subprotocol: a page cannot set another header. */
function socketWith(token: string): typeof WebSocket {
  return class extends WebSocket {
    constructor(url: string | URL) {
      super(url, token);
    }
  };
}

/** A console whose token is renewed before it expires, and when the server no longer knows it. */
async function show(element: HTMLElement): Promise<MountedConsole> {
  const mine = await pass();
  if (mine === undefined)
    throw new Error("Open the link that `shoreline console` printed: it is good once, for one tab");
  const first = await ask<Granted>("/token", mine);
  let granted: (Granted & { until: number }) | undefined;
  const keep = (given: Granted) => {
    granted = { ...given, until: performance.now() + given.expiresIn * 500 };
    return given.token;
  };
  keep(first);
  answerTabs(mine);
  const place = location.hash.slice(1);
  const shown = mountConsole(element, {
    ...(place !== "" && { place }),
    onPlace: (address, title) => {
      history.replaceState(null, "", `#${address}`);
      document.title = `${title} – Shoreline`;
    },
    apiUrl: first.apiUrl,
    sandboxApiUrl: first.sandboxApiUrl,
    namespace: first.namespace,
    ...(first.relayed && { WebSocket: socketWith(first.token) }),
    apiKey: async () => {
      if (granted && granted.until > performance.now()) return granted.token;
      const next = await ask<Granted>("/token", mine);
      // The server is another one, which has none of what is shown.
      if (next.apiUrl !== first.apiUrl) location.reload();
      return keep(next);
    },
    fetch: async (input, init) => {
      // A server that has started again knows neither the token nor, which looks as if it were not there, this page.
      const answer = await fetch(input, init).catch((error: unknown) => {
        if (!init?.signal?.aborted) granted = undefined;
        throw error;
      });
      if (answer.status === 401) granted = undefined;
      return answer;
    },
  });
  // Somebody has written another address, or followed a link to one.
  addEventListener("hashchange", () => {
    shown.goTo(location.hash.slice(1));
  });
  return shown;
}

const element = document.getElementById("console") as HTMLElement;
show(element)
  .then((shown) => {
    shown.focus();
  })
  .catch((error: unknown) => {
    element.setAttribute("role", "alert");
    element.textContent = printable(error instanceof Error ? error.message : String(error));
  });
