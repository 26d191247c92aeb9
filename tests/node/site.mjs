// The package, installed in the Vite project `app` as npm would install it.

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export const folder = import.meta.dirname;
export const app = join(folder, "app");
export const installed = join(app, "node_modules/chat-identity");

const run = promisify(execFile);
/** Runs a program to its end. If it fails, the error contains its output. */
export async function passes(program, args, cwd = folder) {
  try {
    return (await run(program.includes("/") ? join(folder, program) : program, args, { cwd })).stdout;
  } catch (error) {
    error.message += `\n${error.stdout}`;
    throw error;
  }
}

export async function install() {
  const packed = await mkdtemp(join(tmpdir(), "chat-identity-"));
  const [{ filename }] = JSON.parse(await passes("npm", ["pack", "--json", "--pack-destination", packed], join(folder, "web")));
  await rm(installed, { recursive: true, force: true });
  await mkdir(installed, { recursive: true });
  await passes("tar", ["-xf", join(packed, filename), "--strip-components=1", "-C", installed]);
  await rm(packed, { recursive: true });
}
