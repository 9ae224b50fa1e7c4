// No bundler: the package's browser entry, at the address where the server has it.
import { Sandbox, ShorelineError } from "./shoreline/pkg/entry/browser.js";

const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const list = document.querySelector("ol");

form.addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  const { apiUrl, apiKey, command } = Object.fromEntries(new FormData(form));
  form.inert = true;
  list.replaceChildren();
  status.textContent = "running";
  let sandbox;
  try {
    sandbox = await Sandbox.create({ apiUrl, apiKey });
    const proc = await sandbox.startProcess("sh", { args: ["-c", command] });
    for await (const { stream, line } of sandbox.followOutput(proc.pid)) {
      const item = document.createElement("li");
      item.textContent = `${stream}: ${line}`; // text, never HTML: the sandbox is not trusted
      list.append(item);
    }
    const { exitCode, signal } = await proc.wait();
    status.textContent = signal ? `ended by signal ${signal}` : `exit code ${exitCode}`;
  } catch (error) {
    if (!ShorelineError.is(error)) throw error;
    status.textContent = `${error.code}: ${error.message}`;
  } finally {
    await sandbox?.terminate().catch(console.error);
    form.inert = false;
  }
});
