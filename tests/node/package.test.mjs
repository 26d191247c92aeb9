// The package as a site gets it: its files, its types, and its build in a Vite project with React and
// strict TypeScript.

import assert from "node:assert/strict";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { before, test } from "node:test";
import { build } from "vite";
import { app, folder, install, installed, passes } from "./site.mjs";

const manifest = JSON.parse(await readFile(`${folder}/web/package.json`, "utf8"));
before(install);

test("the package contains its exports and its README, and has no dependencies", async () => {
  const files = (await readdir(installed)).sort();
  assert.deepEqual(files, ["README.md", "chat-identity.d.ts", "chat-identity.js", "package.json", "types.d.ts", "use-chat-identity.d.ts", "use-chat-identity.js"]);
  for (const { types, default: file } of Object.values(manifest.exports).filter((to) => to.types)) {
    for (const path of [types, file]) assert.ok(files.includes(path.slice(2)), path);
  }
  assert.equal(manifest.dependencies, undefined);
});

test("tsc makes the same declarations from the source", async () => {
  const out = `${folder}/declarations`;
  await passes("node_modules/.bin/tsc", ["--project", ".", "--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", out]);
  for (const file of ["chat-identity.d.ts", "use-chat-identity.d.ts"]) {
    const [made, kept] = await Promise.all([out, `${folder}/web`].map((from) => readFile(`${from}/${file}`, "utf8")));
    assert.equal(kept, made, `copy ${out}/${file} to examples/web`);
  }
});

test("a strict project finds the types, and they are correct", async () => {
  await passes("node_modules/.bin/tsc", ["--project", "app"]);
});

test("a Vite project with React builds with it", async () => {
  await passes("node_modules/.bin/vite", ["build", "--logLevel", "error", "--emptyOutDir"], app);
});

for (const [name, isThere, isNotThere] of [
  ["connectPuzzel", "codeChallenge", "onInvalidAuth"],
  ["connectZendesk", "loginUser", "codeChallenge"],
]) {
  test(`a site that uses only ${name} gets no other code`, async () => {
    const entry = `${app}/only-${name}.js`;
    await writeFile(entry, `export { ${name} } from "chat-identity";\n`);
    const lib = { entry, formats: ["es"], fileName: "out" };
    const [{ output }] = await build({ root: app, configFile: false, logLevel: "error", build: { write: false, lib } });
    const [{ code }] = output;
    assert.match(code, new RegExp(isThere));
    assert.doesNotMatch(code, new RegExp(isNotThere));
  });
}
