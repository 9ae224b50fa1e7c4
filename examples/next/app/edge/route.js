// GET /edge
export { GET } from "../output.js";
export const runtime = "edge";
export const dynamic = "force-dynamic"; // run for every request, not when the app is built
