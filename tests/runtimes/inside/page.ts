// Inside a page: what the host asks is answered here, in a web worker or in a service worker.
import { type Answer, answer, type Request } from "./answer.js";

export type Call = (request: Request) => Promise<Answer>;

const script = "/tests/runtimes/inside/worker-script.js";

const places: Record<string, () => Promise<Call>> = {
  page: async () => answer,
  worker: async () => ask(new Worker(script, { type: "module" })),
  "service-worker": async () => {
    const { installing, active } = await navigator.serviceWorker.register(script, { type: "module" });
    const worker = installing ?? active;
    if (!worker) throw new Error("no service worker is installed");
    await activated(worker);
    return ask(worker);
  },
};

function ask(target: Worker | ServiceWorker): Call {
  return (request) =>
    new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => {
        resolve(data as Answer);
      };
      target.postMessage(request, [port2]);
    });
}

function activated(worker: ServiceWorker): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (worker.state === "activated") resolve();
      if (worker.state === "redundant") reject(new Error("the service worker could not be installed"));
    };
    worker.addEventListener("statechange", look);
    look();
  });
}

const place = new URL(location.href).searchParams.get("in") ?? "page";
const call = places[place]?.() ?? Promise.reject(new Error(`there is no ${place}`));
Object.assign(globalThis, { call: async (request: Request) => (await call)(request) });
