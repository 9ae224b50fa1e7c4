// The console as a part of a page, which gets short-lived tokens from where it comes from.
import { mountConsole } from "shoreline/console";

interface Granted {
  apiUrl: string;
  token: string;
  /** Seconds. */
  expiresIn: number;
}

let granted: Granted | undefined;
let until = 0;

async function grant(): Promise<Granted> {
  if (granted && Date.now() < until) return granted;
  const answer = await fetch("/token", { method: "POST" });
  if (!answer.ok) throw new Error(await answer.text());
  granted = (await answer.json()) as Granted;
  // Half of its life is left for what is under way.
  until = Date.now() + granted.expiresIn * 500;
  return granted;
}

const { apiUrl } = await grant();
mountConsole(document.getElementById("console") as HTMLElement, {
  apiUrl,
  apiKey: async () => (await grant()).token,
});
