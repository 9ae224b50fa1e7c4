// A function of the global object: what an edge runtime is asked through.
import { answer, type Request } from "./answer.js";

Object.assign(globalThis, {
  answer: async (request: string) => JSON.stringify(await answer(JSON.parse(request) as Request)),
});
