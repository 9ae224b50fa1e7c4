export { POST } from "../run.js";
export const runtime = "edge";
