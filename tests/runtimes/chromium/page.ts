// Inside the page: the host asks for the cases and runs them one by one.
import { cases, type Context, prepare, runCase, type Server } from "../../contract/index.js";

let context: Context | undefined;

const suite = {
  names: () => cases.map(({ name }) => name),
  prepare: async (server: Server) => {
    context = await prepare(server);
  },
  run: async (name: string) => {
    if (!context) throw new Error("not prepared");
    await runCase(context, name);
  },
};

Object.assign(globalThis, { suite });
export type Suite = typeof suite;
