// A worker that answers requests over HTTP, in the form that workerd runs.
import { answer, type Request as Asked } from "./answer.js";

export default {
  fetch: async (request: Request) => Response.json(await answer((await request.json()) as Asked)),
};
