// The contract suite in this Node.
import { contractIn } from "../contract.js";
import { answer } from "../inside/answer.js";

contractIn(async () => ({
  version: `Node ${process.versions.node}`,
  call: answer,
  close: async () => {},
}));
