// GET /node
export { GET } from "../output.js";
export const runtime = "nodejs";
export const dynamic = "force-dynamic"; // run for every request, not when the app is built
