// The whole suite: every file declares its cases as it is loaded.
import "./arguments.js";
import "./cancelling.js";
import "./channels.js";
import "./event-source.js";
import "./files.js";
import "./follow.js";
import "./handle.js";
import "./handlers.js";
import "./hosts.js";
import "./input.js";
import "./lifecycle.js";
import "./limits.js";
import "./log.js";
import "./names.js";
import "./option-names.js";
import "./older.js";
import "./peer.js";
import "./pieces.js";
import "./ports.js";
import "./process.js";
import "./pty.js";
import "./run.js";
import "./shell.js";
import "./tree.js";
import "./tunnel.js";
import "./values.js";

export { type Case, cases, type Context, prepare, runCase, type Server } from "./harness.js";
