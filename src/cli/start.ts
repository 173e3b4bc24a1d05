/**
 * Starts the program from its sources or from the bundle of the npm package.
 */
import { main } from "./main.ts";

void main();
