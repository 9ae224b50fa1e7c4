// Clicking through the console in headless Chromium.
import { launch } from "./chromium.js";
import { clicks } from "./clicks.js";

clicks(launch);
