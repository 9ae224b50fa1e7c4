// A web worker, or a service worker: an answer to every message, over the port that came with it.
import { answer, type Request } from "./answer.js";

addEventListener(
  "message",
  (event: MessageEvent<Request> & { waitUntil?: (work: Promise<void>) => void }) => {
    const answered = answer(event.data).then((given) => {
      event.ports[0]?.postMessage(given);
    });
    // A service worker with nothing to wait for may be ended.
    event.waitUntil?.(answered);
  },
);
