import { Sandbox } from "shoreline";

const sandbox = await Sandbox.create(Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
const { stdout } = await sandbox.run("echo", { args: ["hello"] });
await sandbox.terminate();
document.title = stdout;
